/** The style of the report page. Colours are variables, so that script and drawings share them. */

/** Names of the colours with their light and dark values. Series keep apart for colour-blind readers. */
const COLORS: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  busy: ['#2563a8', '#5b9bd5'],
  'stall-token': ['#e0a100', '#d9a321'],
  'stall-memory': ['#c8502d', '#e0714f'],
  'stall-bufferPort': ['#8e5aa8', '#b58ad0'],
  'stall-dispatch': ['#2c8f7b', '#4fb8a3'],
  'stall-barrier': ['#8a6a4a', '#b39370'],
  idle: ['#dfe3e8', '#343b45'],
  'unit-matrix': ['#2563a8', '#5b9bd5'],
  'unit-vector': ['#2c8f7b', '#4fb8a3'],
  'unit-load': ['#e0a100', '#d9a321'],
  'unit-fetch': ['#c8502d', '#e0714f'],
  'unit-store': ['#8e5aa8', '#b58ad0'],
  'bytes-weights': ['#2563a8', '#5b9bd5'],
  'bytes-kv': ['#e0a100', '#d9a321'],
  'bytes-activations': ['#2c8f7b', '#4fb8a3'],
  'bytes-instructions': ['#8e5aa8', '#b58ad0'],
  'bytes-other': ['#8a929c', '#7d8794'],
  'energy-matrix': ['#2563a8', '#5b9bd5'],
  'energy-vector': ['#2c8f7b', '#4fb8a3'],
  'energy-buffers': ['#8e5aa8', '#b58ad0'],
  'energy-memories': ['#e0a100', '#d9a321'],
  'energy-static': ['#8a929c', '#7d8794'],
  'unit-exchange': ['#8a6a4a', '#b39370'],
  prefill: ['#2563a8', '#5b9bd5'],
  decode: ['#c8502d', '#e0714f'],
};

/** Colours of ops in the timeline, the heaviest op first. */
const OPS: readonly (readonly [light: string, dark: string])[] = [
  ['#2563a8', '#5b9bd5'],
  ['#1f8a70', '#46b99b'],
  ['#b0408f', '#d97fbf'],
  ['#5b5fc7', '#9599ea'],
  ['#7a8b1f', '#aebd55'],
  ['#0e8fb3', '#4cc3e3'],
  ['#a34a3f', '#d98a80'],
  ['#6b7683', '#99a5b3'],
  ['#8a5a9e', '#bd93cf'],
  ['#3d7a3a', '#7fbd7b'],
];

const variables = (index: 0 | 1): string =>
  [
    ...Object.entries(COLORS).map(([name, values]) => `--c-${name}:${values[index]};`),
    ...OPS.map((values, op) => `--op-${op}:${values[index]};`),
  ].join('');

export const PAGE_STYLE = `
:root{--page:#fbfcfd;--card:#ffffff;--ink:#1c232b;--soft:#5a6570;--line:#e1e6ec;--accent:#2563a8;--lane:#eef1f4;--on-block:#ffffff;${variables(0)}}
@media (prefers-color-scheme:dark){:root{--page:#14181d;--card:#1b2128;--ink:#e4e9ef;--soft:#98a4b1;--line:#2d353f;--accent:#5b9bd5;--lane:#242b33;--on-block:#0d1116;${variables(1)}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px;max-width:1240px;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:24px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 10px}
header p{margin:4px 0 18px}
header p,.hint,footer,small{color:var(--soft)}
small{font-size:12px}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:18px;margin:16px 0;min-width:0}
section:empty{display:none}
p{margin:0 0 10px}
.hint{font-size:13px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.tiles span,.tiles small{display:block;color:var(--soft);font-size:13px}
.tiles b{display:block;font-size:22px;line-height:1.3;font-weight:650}
.choice{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;gap:8px;padding:10px 0;margin-top:8px;background:var(--page)}
button{font:inherit;white-space:nowrap;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:6px;padding:5px 12px;cursor:pointer}
button:hover{border-color:var(--accent)}
button[aria-pressed=true]{border-color:var(--accent);box-shadow:inset 0 0 0 1px var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.tools{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin-bottom:10px}
.tools output{color:var(--soft);font-size:13px}
canvas{display:block;width:100%;min-height:120px;touch-action:pan-y;cursor:grab;border-radius:4px}
canvas:active{cursor:grabbing}
#tip{position:fixed;z-index:3;max-width:320px;pointer-events:none;background:var(--ink);color:var(--page);border-radius:6px;padding:8px 10px;font-size:13px;line-height:1.4}
#detail{margin:12px 0 0}
#kept{border:1px solid var(--accent);border-radius:6px;padding:10px 12px;margin-top:10px;font-size:13px}
#kept .tools{margin:10px 0 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere;min-width:0}
#tip dl{gap:0 10px}
#tip dt{color:inherit;opacity:.7}
.facts{gap:6px 16px;font-size:14px}
h3{font-size:15px;margin:0 0 4px;font-weight:600}
.facts+h3{margin-top:16px}
.why{list-style:none;padding:0;margin:12px 0 0;display:grid;gap:14px}
.why li{display:grid;grid-template-columns:64px 1fr;gap:12px}
.why li>div{min-width:0}
.why .part{font-size:18px;font-weight:650;text-align:right;line-height:1.25}
.why .bar{height:6px;min-width:0;margin:2px 0 6px}
.why p{margin:0;font-size:14px;overflow-wrap:anywhere}
.why p.hint{font-size:13px}
.keys{font-size:13px;color:var(--soft);margin:8px 0 0}
.keys summary{cursor:pointer}
kbd{font:inherit;border:1px solid var(--line);border-radius:4px;padding:0 5px;background:var(--page)}
button:disabled{opacity:.45;cursor:default}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--soft);margin:10px 0 0}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px;vertical-align:-1px}
.values{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft);margin:10px 0 0}
.values b{color:var(--ink);font-weight:550}
.bar{display:flex;height:16px;min-width:120px;border-radius:3px;overflow:hidden;background:color-mix(in srgb,var(--line) 45%,transparent)}
.bar i{display:block;height:100%;flex:none}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap;font-size:14px}
th{font-weight:550;color:var(--soft);font-size:13px}
td:has(.bar){width:100%}
tbody tr:last-child td{border-bottom:0}
.n{text-align:right}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:16px}
.pair section{margin:0}
.roofline{display:block;width:100%;margin:0 auto;height:auto}
.narrow{display:none}
.roofline text{font-size:11px;fill:var(--soft)}
.roofline .axis{font-size:12px}
.roofline .whole{fill:var(--ink);font-weight:600;font-size:12px}
.roofline .note{fill:var(--ink)}
.roofline .grid{stroke:var(--line);fill:none}
.roofline .roof{stroke:var(--ink);stroke-width:1.6;fill:none}
.roofline .hollow{fill:var(--card);stroke-width:2}
body[data-show=prefill] [data-phase]:not([data-phase=prefill]),body[data-show=decode] [data-phase]:not([data-phase=decode]),body[data-show=total] [data-phase]:not([data-phase=total]){display:none}
footer{font-size:13px;margin:20px 0 8px}
ul{margin:0;padding-left:20px}
@media (max-width:760px){.why li{grid-template-columns:52px 1fr;gap:10px}.why .part{font-size:15px}.facts{grid-template-columns:1fr;gap:0}.facts dd{margin-bottom:8px}.unit small{display:block;line-height:1}body{padding:14px}.pair{grid-template-columns:1fr}.minor,.wide{display:none}.narrow{display:block}section{padding:14px}.tiles{grid-template-columns:1fr 1fr}.tiles b{font-size:18px}.choice small{display:none}.bar{min-width:72px}th,td{padding-right:10px;font-size:13px}th,table:not(:has(.bar)) td:first-child{white-space:normal}}
@media print{.choice,.tools,.hint{display:none}section{break-inside:avoid}}
`;
