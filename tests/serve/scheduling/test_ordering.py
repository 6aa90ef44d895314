from burnish.serve.scheduling.ordering import AnswerOrder
from tests.serve.scheduling.fakes import make_job


def line_of(count):
    order, told, jobs = AnswerOrder(), [], []
    for n in range(count):
        job, _ = make_job(n)
        job.reply = lambda response: told.append((response.id, response.is_final))
        order.enter(job)
        jobs.append(job)
    return order, told, jobs


def test_an_answer_waits_for_those_of_earlier_jobs():
    _, told, (a, b, c) = line_of(3)
    c.answer([])
    b.answer([])
    assert told == []
    a.answer([])
    assert told == [("0", True), ("1", True), ("2", True)]


def test_several_answers_of_a_job_stay_together_and_the_first_in_line_is_not_held():
    _, told, (a, b) = line_of(2)
    b.answer([], is_final=False)
    a.answer([], is_final=False)
    assert told == [("0", False)]
    a.end()
    assert told == [("0", False), ("0", True), ("1", False)]
    b.end()
    assert told[-1] == ("1", True)


def test_who_was_not_taken_leaves_the_line():
    order, told, (a, b) = line_of(2)
    order.withdraw(b)
    b.answer([])
    a.answer([])
    assert told == [("1", True), ("0", True)]


def test_a_reply_that_answers_another_job_keeps_the_order():
    _, told, (a, b, c) = line_of(3)
    place = a.reply
    place.reply = lambda response: (told.append(("0", True)), c.answer([]))
    b.answer([])
    a.answer([])
    assert told == [("0", True), ("1", True), ("2", True)]
