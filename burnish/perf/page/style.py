"""The page's style sheet."""

STYLE = """
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --ink: #1c2530; --soft: #66727f; --rule: #e3e7ec;
  --accent: #d9480f; --good: #2b8a3e; --bad: #c92a2a; --p50: #1c7ed6; --p90: #7048e8; --p99: #e8590c;
  --s1: #f08c00; --s2: #74b816; --s3: #1c7ed6; --s4: #0ca678; --s5: #868e96; --s6: #c4cad1; }
@media (prefers-color-scheme: dark) { :root { --bg: #12161b; --card: #1a2027; --ink: #e6eaef; --soft: #93a0ae;
  --rule: #2b333d; --accent: #ff8a4c; --good: #69db7c; --bad: #ff8787; --p50: #4dabf7; --p90: #9775fa; --p99: #ff922b;
  --s1: #fab005; --s2: #94d82d; --s3: #4dabf7; --s4: #38d9a9; --s5: #868e96; --s6: #495057; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1560px; margin: 0 auto; padding: 28px 24px 48px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 16px; margin: 0 0 2px; }
.facts, .hint { color: var(--soft); margin: 2px 0 0; }
.hint { font-size: 13px; margin-bottom: 10px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin: 22px 0 14px; }
.tile, .card { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
.tile { padding: 14px 18px; }
.tile b { display: block; font-size: 26px; font-weight: 650; letter-spacing: -.02em; }
.tile span { color: var(--soft); font-size: 13px; }
.tile.bad b { color: var(--bad); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(560px, 100%), 1fr)); gap: 14px; }
.card { padding: 18px 20px; min-width: 0; }
.wide { margin-top: 14px; overflow-x: auto; }
svg { width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); stroke-width: 1; }
.tick, .name { fill: var(--soft); }
.note { fill: var(--soft); font-size: 11px; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.dashed { stroke-width: 1.4; stroke-dasharray: 3 4; opacity: .75; }
.dot { stroke: var(--card); stroke-width: 1.5; }
.dot:hover, .bar:hover { filter: brightness(1.2); }
.series:hover .line { stroke-width: 4; }
.mark { stroke: var(--accent); stroke-width: 1.2; stroke-dasharray: 5 4; }
.marktext { fill: var(--accent); font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; color: var(--soft); margin-top: 8px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 6px 12px; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
th:last-child, td:last-child { text-align: left; width: 99%; }
tr.knee td { background: color-mix(in srgb, var(--accent) 9%, transparent); }
tbody tr:last-child td { border-bottom: 0; }
td.bad { color: var(--bad); font-weight: 600; }
ul { margin: 8px 0 0; padding-left: 20px; }
code { font: 13px ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
"""
