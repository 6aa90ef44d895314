"""The page at /docs: /openapi.json made readable, in one file that asks no other host."""

from __future__ import annotations

PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>HTTP interface</title>
<style>
  :root { color-scheme: light dark; --line: #8884; --soft: #8882; }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin-bottom: 0 }
  h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; text-transform: capitalize }
  details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .7rem }
  summary { cursor: pointer; display: flex; gap: .8rem; flex-wrap: wrap }
  code, pre, textarea { font: 13px/1.45 ui-monospace, monospace }
  pre { background: var(--soft); border-radius: 6px; padding: .6rem; overflow: auto; margin: .4rem 0 }
  .get, .post { font-weight: 700; width: 3.2rem } .get { color: #2a7de1 } .post { color: #2f9e5b }
  .what { margin-left: auto; opacity: .75 }
  textarea { width: 100%; box-sizing: border-box; min-height: 6rem }
  label { display: block; margin: .4rem 0 } input { font: inherit; margin-left: .4rem }
</style>
<h1 id="title">HTTP interface</h1>
<p id="about">Reading <a href="/openapi.json">openapi.json</a>&hellip;</p>
<main id="main"></main>
<script>
const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const resolve = (doc, x) => x && x.$ref ? resolve(doc, x.$ref.slice(2).split("/").reduce((o, k) => o[k], doc)) : x;
const expand = (doc, schema, depth = 0) => {
  schema = resolve(doc, schema) || {};
  if (depth > 4) return "...";
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.properties) return Object.fromEntries(Object.entries(schema.properties).map(
    ([k, v]) => [k + ((schema.required || []).includes(k) ? "" : "?"), expand(doc, v, depth + 1)]));
  if (schema.items) return [expand(doc, schema.items, depth + 1)];
  return [].concat(schema.type || "any").join(" | ");
};
const shown = (doc, content) => Object.entries(content || {}).map(([type, media]) =>
  el("pre", { textContent: type + "\\n" + JSON.stringify(expand(doc, media.schema), null, 2) }));
const trial = (path, method, parameters, hasBody) => {
  const names = parameters.filter(p => p.in === "path").map(p => p.name);
  const inputs = Object.fromEntries(names.map(n => [n, el("input", { size: 24 })]));
  const body = el("textarea", { placeholder: "request body" });
  const out = el("pre", { hidden: true });
  const send = el("button", { textContent: "Send", onclick: async () => {
    const url = path.replace(/{(\\w+)}/g, (_, n) => encodeURIComponent(inputs[n].value));
    out.hidden = false;
    try {
      const answer = await fetch(url, { method: method.toUpperCase(), body: hasBody ? body.value : undefined });
      out.textContent = answer.status + "\\n" + await answer.text();
    } catch (error) { out.textContent = String(error); }
  } });
  return [...names.map(n => el("label", {}, n, inputs[n])), ...(hasBody ? [body] : []), send, out];
};
const operation = (doc, path, method, op) => {
  const parameters = (op.parameters || []).map(p => resolve(doc, p));
  const responses = Object.entries(op.responses).map(([code, r]) => [code, resolve(doc, r)]);
  return el("details", {},
    el("summary", {}, el("span", { className: method, textContent: method.toUpperCase() }),
      el("code", { textContent: path }), el("span", { className: "what", textContent: op.summary })),
    ...(op.requestBody ? [el("div", { textContent: "Request" }), ...shown(doc, op.requestBody.content)] : []),
    ...responses.filter(([code]) => code === "200").flatMap(([code, r]) =>
      [el("div", { textContent: code + ": " + r.description }), ...shown(doc, r.content)]),
    el("div", { textContent: "Errors: " + responses.map(r => r[0]).filter(c => c !== "200").join(", ") }),
    ...trial(path, method, parameters, Boolean(op.requestBody)));
};
fetch("/openapi.json").then(answer => answer.json()).then(doc => {
  document.title = document.getElementById("title").textContent = doc.info.title + " " + doc.info.version;
  document.getElementById("about").textContent = doc.info.description;
  for (const tag of doc.tags) {
    const found = Object.entries(doc.paths).flatMap(([path, methods]) => Object.entries(methods)
      .filter(([, op]) => op.tags.includes(tag.name)).map(([method, op]) => operation(doc, path, method, op)));
    document.getElementById("main").append(
      el("h2", { textContent: tag.name }), el("p", { textContent: tag.description }), ...found);
  }
});
</script>
</html>
"""
