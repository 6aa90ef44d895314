"""Why a configuration is refused."""

from __future__ import annotations

from burnish.serve.status import Code, ServeError


class ConfigError(ServeError):
    """A configuration that no model can be served with.

    sentence   Triton's own words, for clients that look for them
    detail     where and why, which Triton does not say; empty if the sentence says it all
    """

    def __init__(self, sentence: str, detail: str = "", code: Code = Code.INVALID_ARG) -> None:
        super().__init__(code, f"{sentence}: {detail}" if detail else sentence)
        self.sentence, self.detail = sentence, detail


def poll_failure(model: str, error: ServeError) -> ServeError:
    """What a client is told of a model whose configuration was refused before any of its versions loaded.

    Triton says the first sentence alone and the rest in its log. Here a configuration that does not parse also says
    where and why; what is wrong with one that does is in the log, as there.
    """
    sentence = f"failed to load '{model}', failed to poll from model repository"
    detail = error.message if isinstance(error, ConfigError) and error.detail else ""
    return ConfigError(sentence, detail, Code.INTERNAL)
