// Draws a lane: gate, lights, scanner, people, the display that they read.

const figure = `
<svg class="scene" viewBox="0 14 320 216" role="img">
  <defs>
    <linearGradient id="ID-glass" x1="0" x2="1"><stop offset="0" class="glass-a"/><stop offset="1" class="glass-b"/></linearGradient>
    <clipPath id="ID-way"><rect x="96" y="60" width="128" height="140"/></clipPath>
  </defs>
  <rect class="wall" width="320" height="150"/>
  <path class="inside" d="M92 34q0-8 8-8h120q8 0 8 8v116H92z"/>
  <path class="tree" d="M118 150v-34M118 122q-15-5-14-22 2-15 14-16 13 1 14 16 1 17-14 22M202 150v-22M202 132q-10-4-9-15 1-10 9-11 8 1 9 11 1 11-9 15"/>
  <path class="floor" d="M0 232 92 150h136l92 82z"/><path class="side" d="M0 150h92L0 232zM320 150h-92l92 82z"/>
  <path class="path" d="M112 232 130 150h60l18 82z"/>
  <g class="flaps"><path class="flap left" d="M98 122h58v62q-40 6-58 6z"/><path class="flap right" d="M222 122h-58v62q40 6 58 6z"/></g>
  <g class="tripod" clip-path="url(#ID-way)"><g class="arms"><path d="M222 142h-92"/><path d="M222 142l46 80"/><path d="M222 142l46-80"/></g></g>
  <g class="post"><path class="top" d="M46 112h50l4 8H42z"/><rect class="body" x="42" y="119" width="58" height="92" rx="5"/><rect class="lamp" x="47" y="124" width="48" height="6" rx="3"/></g>
  <g class="post"><path class="top" d="M224 112h50l4 8h-58z"/><rect class="body" x="220" y="119" width="58" height="92" rx="5"/><rect class="lamp" x="225" y="124" width="48" height="6" rx="3"/><circle class="hub" cx="222" cy="142" r="9"/></g>
  <g class="sign" transform="translate(54 140)"><circle class="disc" cx="17" cy="22" r="19"/>
    <g class="glyph idle"><path d="M8 18v-5h5M21 13h5v5M26 26v5h-5M13 31H8v-5M11 22h12"/></g><g class="glyph wait"><path d="M8 22h.1M17 22h.1M26 22h.1"/></g>
    <g class="glyph granted"><path d="M17 31V13M9 21l8-8 8 8"/></g><g class="glyph denied"><path d="M10 15l14 14M24 15L10 29"/></g>
    <g class="glyph again"><path d="M25 18a9 9 0 1 0 1 6M26 12v7h-7"/></g><g class="glyph guard"><circle cx="17" cy="17" r="4"/><path d="M8 31q1-8 9-8t9 8"/></g>
    <g class="glyph closed"><path d="M9 22h16"/></g><g class="glyph out"><path d="M17 13v10M17 29v.1"/></g></g>
  <g class="reader"><rect class="hood" x="229" y="140" width="40" height="34" rx="5"/><rect class="window" x="234" y="145" width="30" height="24" rx="3"/><path class="beam" d="M236 157h26"/><path class="noise" d="M234 157l4-7 4 13 5-14 4 15 4-11 4 6"/><path class="no-reader" d="M234 146l30 22M264 146l-30 22"/></g>
  <g transform="translate(30 4)"><g class="walker second"><ellipse class="shade" cx="0" cy="0" rx="17" ry="4"/><path d="M-15-22v-16q0-16 15-16t15 16v16q0 4-4 4h-1l-2 18h-6l-2-16-2 16h-6l-2-18h-1q-4 0-4-4z"/><circle cx="0" cy="-65" r="9.5"/><rect class="bag" x="-8" y="-49" width="16" height="22" rx="5"/></g></g>
  <g class="walker first"><ellipse class="shade" cx="0" cy="0" rx="17" ry="4"/><path d="M-15-22v-16q0-16 15-16t15 16v16q0 4-4 4h-1l-2 18h-6l-2-16-2 16h-6l-2-18h-1q-4 0-4-4z"/><circle cx="0" cy="-65" r="9.5"/><rect class="bag" x="-8" y="-49" width="16" height="22" rx="5"/></g>
  <g class="phone"><path class="light" d="M249 157 222 110h54z"/><rect class="case" x="217" y="36" width="64" height="88" rx="9"/><rect class="screen" x="222" y="43" width="54" height="74" rx="3"/><image x="224" y="53" width="50" height="50"/><path class="thumb" d="M273 128q14-8 10-30"/></g>
  <g class="bell"><path class="rays" d="M30 26 16 18M30 40H14M66 26l14-8M66 40h16"/><path class="dome" d="M34 46V34q0-14 14-14t14 14v12z"/></g>
  <g class="lid"><path d="M42 119l-20-16h46z"/></g>
  <g class="broken"><circle cx="160" cy="150" r="17"/><path d="M160 140v13M160 160v.1"/></g>
  <rect class="night" width="320" height="232"/><path class="bolt" d="M166 60l-24 40h18l-6 34 26-44h-20z"/>
</svg>
<div class="monitor"><iframe class="display"></iframe><p class="dark">The display is dark.</p></div>
<p class="verdict"><span class="verdict-text"></span> <span class="verdict-next"></span></p>`;

let texts; // of reasons and entries; the first page that draws asks for them
export async function words() {
  texts ??= fetch('/live/words').then(a => a.json()).catch(() => ({ reasons: {}, entries: {}, warnings: {} }));
  return texts;
}
let known = { reasons: {}, entries: {}, warnings: {} };
words().then(w => { known = w; });

let drawn = 0;

// fault is the word of the fault that is on for a verb at a target, '' for none.
export function fault(view, verb, target) {
  for (const s of view.standing) {
    const [v, ...rest] = s.act.split(' ');
    if (v !== verb) continue;
    if (!target) return rest[0];
    if (rest[0] === target) return rest[1];
  }
  return '';
}

function put(node, text) { if (node.textContent !== text) node.textContent = text; }

// drawLane draws a lane of a campus.View into an element, which is made to hold it and
// nothing else, and changes what it drew there before. more may have symbol (address of
// the picture that is before the scanner), people (who walk together) and kind, 'flaps'
// or 'tripod'; unless told, lanes of zone 0 have flaps.
export function drawLane(box, lane, view, more = {}) {
  if (!box.classList.contains('drawn')) {
    box.classList.add('drawn');
    box.innerHTML = figure.replaceAll('ID', 'lane' + drawn++);
    box.querySelector('iframe').title = 'What the display of ' + lane.name + ' shows';
  }
  const dark = fault(view, 'power', lane.controller) === 'cut';
  const data = box.dataset;
  data.signal = dark ? 'dark' : lane.signal === 'out of order' ? 'out' : lane.signal;
  data.kind = more.kind ?? (lane.zone === 0 ? 'flaps' : 'tripod');
  data.scanner = fault(view, 'scanner', lane.id) || 'in';
  data.gate = fault(view, 'gate', lane.id) || 'in';
  box.classList.toggle('open', lane.open);
  box.classList.toggle('reading', lane.reading);
  box.classList.toggle('off', dark);
  box.classList.toggle('mute', !lane.answers);
  box.classList.toggle('fire', fault(view, 'fire', lane.id) === 'on');
  box.classList.toggle('tamper', fault(view, 'tamper', lane.id) === 'on');
  drawPeople(box, lane, view, more);
  drawDisplay(box, lane, dark);
  drawVerdict(box, lane, view, dark);
}

function drawPeople(box, lane, view, more) {
  const held = box.querySelector('image');
  if (more.symbol && held.getAttribute('href') !== more.symbol) held.setAttribute('href', more.symbol);
  box.classList.toggle('held', !!more.symbol);
  const here = lane.reading || ['wait', 'denied', 'again', 'guard'].includes(lane.signal) || lane.signal === 'granted' && !lane.walking && lane.open;
  const walking = lane.walking === 'in' || lane.walking === 'out' ? lane.walking : '';
  if (walking && box.dataset.walking !== walking) box.dataset.people = more.people ?? (fault(view, 'people', lane.id) === 'pairs' ? 2 : 1);
  box.dataset.walking = walking;
  box.classList.toggle('here', !!here);
}

function drawDisplay(box, lane, dark) {
  const frame = box.querySelector('iframe');
  if (lane.display && frame.getAttribute('src') !== lane.display) frame.src = lane.display;
  if (!lane.display && frame.hasAttribute('src')) frame.removeAttribute('src');
  put(box.querySelector('.dark'), dark ? 'The display is dark: the lane has no power.' : 'The display is dark: the lane does not answer.');
}

const signs = { idle: 'Ready', wait: 'One moment', granted: 'Let in', denied: 'Refused', again: 'Scan again', guard: 'See the guard', closed: 'Closed', 'out of order': 'Out of order' };
const results = { passed: 'walked through', 'not passed': 'nobody walked', not_passed: 'nobody walked', unknown: 'nobody knows whether they walked' };

// sentence says in words what a lane decided last.
export function sentence(d) {
  if (!d) return 'Nobody has scanned yet.';
  const who = d.pass || 'A code';
  if (d.reason === 'GRANTED') return `${who} was let in${d.result ? ', ' + (results[d.result] ?? d.result) : ''}.`;
  return `${who} was refused: ${known.reasons[d.reason]?.name ?? d.reason}.`;
}

// advice says what a guard does about a reason, '' if nothing.
export const advice = reason => reason === 'GRANTED' ? '' : known.reasons[reason]?.next ?? '';

function drawVerdict(box, lane, view, dark) {
  let text = sentence(lane.last), next = lane.last ? advice(lane.last.reason) : '';
  if (dark) [text, next] = ['No power: the gate is locked.', 'Send people to the next lane.'];
  else if (!lane.answers) [text, next] = ['The lane does not answer.', 'Send people to the next lane.'];
  else if (fault(view, 'fire', lane.id) === 'on') [text, next] = ['Fire: the gate stands open.', 'Let everybody out; nobody goes in.'];
  put(box.querySelector('.verdict-text'), text);
  put(box.querySelector('.verdict-next'), next);
  const scene = box.querySelector('svg');
  const label = `${lane.name}: ${dark ? 'dark' : (signs[lane.signal] ?? lane.signal)}, ${lane.open ? 'open' : 'locked'}`;
  if (scene.getAttribute('aria-label') !== label) scene.setAttribute('aria-label', label);
}
