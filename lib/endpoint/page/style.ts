/**
 * Stage 4, TELL: how the page looks. One accent for each state; color never stands alone.
 */

const COLORS = {
  light: `--bg:#f6f5f1;--card:#fff;--ink:#1d1c1a;--soft:#5e5b55;--line:#dfdcd4;--track:#ebe8e1;
--well:#1a7548;--warn:#875700;--bad:#b3231b;--calm:#2a5ca3;--a:#2a5ca3;--b:#8a5a00;--c:#7a3fa0;--d:#1a7548;--e:#b3231b;--f:#5e5b55`,
  dark: `--bg:#121317;--card:#1a1c21;--ink:#ededeb;--soft:#a5a7ac;--line:#2d3038;--track:#2a2d34;
--well:#5fca95;--warn:#e8b655;--bad:#ff8d83;--calm:#92baf7;--a:#92baf7;--b:#e8b655;--c:#cfa3ee;--d:#5fca95;--e:#ff8d83;--f:#a5a7ac`,
};

export const STYLE = `
:root{color-scheme:light dark;${COLORS.light}}
@media (prefers-color-scheme:dark){:root{${COLORS.dark}}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main,footer{max-width:70rem;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem)}
h1,h2,h3,p,ul,ol,figure{margin:0;padding:0}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
small,.facts,.lines p,.bar,footer,figcaption span,.axis,.also{color:var(--soft);font-size:.875rem}
small{font-weight:400}
.bar{display:flex;justify-content:space-between;align-items:center;gap:1rem;min-height:3.5rem}
.lost .bar{border-bottom:3px solid var(--bad)}
.lost #live{color:var(--bad);font-weight:600}
.lost .card,.lost figure{border-style:dashed}
button,summary{font:inherit;color:inherit;cursor:pointer}
button{background:none;border:1px solid var(--line);border-radius:99px;padding:.2rem .9rem}
:focus-visible{outline:2px solid var(--calm);outline-offset:2px}
.well{--state:var(--well)}.warn{--state:var(--warn)}.bad{--state:var(--bad)}.calm{--state:var(--calm)}
.verdict{display:flex;gap:clamp(1rem,3vw,2rem);padding:clamp(.75rem,2vw,1.25rem) 0 1.25rem}
.verdict .sign{flex:none;width:clamp(3rem,9vw,4.75rem);height:clamp(3rem,9vw,4.75rem);border-radius:50%;background:var(--state);color:var(--bg);font-size:clamp(1.6rem,5vw,2.6rem);font-weight:700;display:grid;place-content:center}
.word{color:var(--state);font-weight:600;letter-spacing:.02em}
h1{font-size:clamp(1.55rem,4.6vw,2.9rem);line-height:1.12;letter-spacing:-.022em;font-weight:650;text-wrap:balance;max-width:24ch}
.why{margin-top:.8rem;max-width:62ch}
.also{margin-top:.4rem;max-width:62ch}
h2{font-size:1.05rem;font-weight:600;margin:1.9rem 0 .7rem}
h3{font-size:1rem;font-weight:600}
.cards{display:flex;flex-wrap:wrap;gap:1rem}
.cards>*{flex:1 1 min(100%,19rem)}
.meters{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,13.5rem),1fr));gap:0 1.5rem;align-items:end}
.card,figure{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1rem 1.1rem;min-width:0}
.card.warn,.card.bad{border-color:var(--state);box-shadow:inset 0 3px var(--state)}
.lines{list-style:none;border-bottom:1px solid var(--line)}
.lines li{display:grid;grid-template-columns:minmax(0,15rem) minmax(0,11rem) 1fr;gap:0 1rem;align-items:baseline;border-top:1px solid var(--line);padding:.4rem 0}
.lines p b{color:var(--ink)}
.lines .pill,.pill{color:var(--state);font-size:.875rem;font-weight:600}
.meter{margin-top:.6rem}
.meter b{font-weight:600}
.first b{font-size:1.9rem;letter-spacing:-.02em;line-height:1.2}
.over b{color:var(--state)}
.meter svg{display:block;width:100%;height:6px;margin:.15rem 0 .2rem}
.row svg{height:4px}
.track{fill:var(--track)}.fill{fill:var(--soft)}.over .fill{fill:var(--state)}.edge{fill:var(--ink)}
.card>.facts{margin-top:.6rem}
.card>.facts+.facts{margin-top:0}
.message{margin-top:.6rem;font-size:.875rem}
figcaption{display:flex;justify-content:space-between;gap:.2rem 1rem;flex-wrap:wrap}
figcaption b{font-weight:600}
.plot{display:block;width:100%;height:7rem;margin-top:.5rem;border-bottom:1px solid var(--line);touch-action:pan-y}
.axis{display:flex;justify-content:space-between}
.plot :is(path:not(.stack),line){fill:none}
.plot path,.plot line{stroke:currentColor;stroke-width:1.6;vector-effect:non-scaling-stroke}
.plot .stack{stroke:none}
${[0, 1, 2, 3, 4, 5].map((n) => `.stack.s${n}{fill:url(#fill${n})}`).join('')}
.fills{position:absolute}.fills path{fill:none;stroke:currentColor;stroke-width:2}.fills rect{fill:currentColor}.fills .tint{opacity:.2}
.plot .under{fill:currentColor;stroke:none;opacity:.13}
.plot .limit{color:var(--ink);stroke-dasharray:2 4;stroke-width:1}
.plot .far{stroke-dasharray:9 3 2 3}
.plot .rule{color:var(--soft);stroke-width:1}
.s0{color:var(--a)}.s1{color:var(--b)}.s2{color:var(--c)}.s3{color:var(--d)}.s4{color:var(--e)}.s5{color:var(--f)}
.plot path.s1{stroke-dasharray:5 3}
.key{list-style:none;font-size:.875rem;margin-top:.3rem;color:var(--soft)}
.key svg{display:inline-block;width:1.9rem;height:.8rem;margin:0 .4rem 0 0;border:0;vertical-align:middle}
.key b{color:var(--ink);font-weight:600}
details{font-size:.875rem;margin-top:.3rem}
summary{color:var(--soft)}
table{border-collapse:collapse;width:100%}
th,td{text-align:right;padding:.1rem .3rem;font-weight:400;border-bottom:1px solid var(--line)}
th:first-child{text-align:left}
.list{list-style:none;display:grid;gap:1rem}
.list li{border-top:1px solid var(--line);padding-top:.8rem}
.who{font-weight:600}
.setting{margin-top:.4rem;max-width:62ch}
.setting b{font-weight:600}
.setting code{background:var(--card);border:1px solid var(--line);border-radius:.3rem;padding:.05rem .35rem}
.timeline{gap:.6rem}
.timeline li{display:flex;gap:.75rem}
.timeline .sign{color:var(--state);font-weight:700;width:1.2rem;flex:none;text-align:center}
.timeline p{color:var(--soft);font-size:.875rem}
footer{padding-top:2.5rem;padding-bottom:2rem}
@media (max-width:44rem){.lines li{grid-template-columns:1fr auto}.lines li>:last-child{grid-column:1/-1}.plot{height:4rem}.key .plot{height:.8rem}}
@media (prefers-reduced-motion:no-preference){.fill,.verdict .sign{transition:all .3s}}
@media (forced-colors:active){.verdict .sign{border:2px solid}.fill{fill:CanvasText}.track{fill:GrayText}}
`.trim();
