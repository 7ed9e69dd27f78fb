// The guard's console: what is wrong, what to do about it, who went through.
import { sentence, advice, words } from './lane.js';

const $ = (selector, from = document) => from.querySelector(selector);
let known = { reasons: {}, entries: {}, warnings: {} };
words().then(w => { known = w; });
const maxAlarms = 6, maxRows = 10;

function node(name, className, text) {
  const n = document.createElement(name);
  if (className) n.className = className;
  if (text) n.textContent = text;
  return n;
}

// list draws rows once for each set of them: what stays is not read out again.
function list(id, rows, empty, row) {
  const box = $(id), now = JSON.stringify(rows);
  $(empty).hidden = rows.length > 0;
  if (box.dataset.drawn === now) return;
  box.dataset.drawn = now;
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.line : '';
  box.replaceChildren(...rows.map(row));
  if (focused) [...box.querySelectorAll('button')].find(b => b.dataset.line === focused)?.focus();
}

function note(level, title, texts, button, detail) {
  const li = node('li', 'note');
  if (detail) li.title = detail; // for whoever repairs it
  li.dataset.level = level;
  const head = node('p', 'title');
  head.append(node('span', '', title));
  if (button) head.append(button);
  li.append(head, ...texts.filter(Boolean).map(t => node('p', 'small', t)));
  return li;
}

const nameOf = (view, id) => view.lanes.find(l => l.id === id)?.name ?? view.lanes.find(l => l.controller === id)?.name ?? id;
export const spoken = code => code.charAt(0).toUpperCase() + code.slice(1).replace(/[._]/g, ' ');

// wrong is a fault in the words of the switches.
function wrong(view, act) {
  const [verb, ...rest] = act.split(' ');
  const box = $(`#switches [data-verb="${CSS.escape(verb)}"]`), word = box?.dataset.target ? rest[1] : rest[0];
  const button = box && [...box.querySelectorAll('.choices button')].find(b => b.dataset.words === word);
  const where = !box?.dataset.target ? '' : box.dataset.target === 'zone' ? `Zone ${rest[0]}: ` : nameOf(view, rest[0]) + ': ';
  return `${where}${$('legend', box ?? document)?.textContent ?? verb} – ${(button?.textContent ?? word ?? '').toLowerCase()}`;
}

function undo(s) {
  const b = node('button', '', 'Take off');
  b.dataset.line = s.undo;
  return b;
}

// drawConsole draws all of it.
export function drawConsole(view) {
  list('#standing', view.standing.map(s => ({ ...s, title: wrong(view, s.act) })), '#all-well', s => note('alarm', s.title, [s.guard], undo(s)));
  list('#warnings', warnings(view.lanes), '#no-warnings', w => note(w.severity, `${w.lane}: ${w.name}`, [w.next], null, w.detail));
  list('#alarms', view.alarms.slice(0, maxAlarms).map(a => ({ ...a, lane: a.lane ? nameOf(view, a.lane) : 'Central' })), '#no-alarms', a => note('warning', `${a.lane}: ${spoken(a.kind)}`, [a.next || a.detail], node('time', 'small', a.at.slice(11, 19))));
  list('#passages', runs(view.passages).map(p => ({ ...p, lane: nameOf(view, p.lane) })), '#no-passages', passage);
}

// warnings are those of the lanes in words; what several lanes say alike is there once.
export function warnings(lanes) {
  const all = new Map();
  for (const l of lanes) for (const w of l.warnings) {
    const same = all.get(w.code + w.next_step);
    if (!same) all.set(w.code + w.next_step, { lane: l.name, name: known.warnings[w.code]?.name ?? spoken(w.code), severity: w.severity, detail: w.detail, next: w.next_step });
    else if (!same.lane.split(', ').includes(l.name)) same.lane += ', ' + l.name;
  }
  return [...all.values()];
}

// What is of no interest to a guard, and how a passage ends.
const quiet = ['floor', 'boot', 'scanner_found', 'gate_found', 'lane_shown'], ends = ['passed', 'not_passed', 'unknown', 'tailgated'];

// runs has what happens again and again once, and how often; and of a passage its end
// alone, once it is known.
function runs(passages) {
  const rows = [];
  for (const p of passages) {
    if (quiet.includes(p.type)) continue;
    const end = p.type === 'granted' && rows.find(r => r.lane === p.lane && r.pass === p.pass && ends.includes(r.type) && !r.whole);
    if (end) { end.whole = true; continue; }
    const last = rows.at(-1);
    if (last && ['lane', 'type', 'pass', 'reason'].every(k => last[k] === p[k])) last.times++;
    else if (rows.length === maxRows) break;
    else rows.push({ ...p, times: 1 });
  }
  return rows;
}

function passage(p) {
  const li = node('li'), entry = known.entries[p.type], refused = p.type === 'denied';
  const what = node('span');
  what.append(node('b', '', p.lane), ' ', p.pass, ' ', node('span', refused ? 'no' : p.type === 'granted' || p.type === 'passed' ? 'ok' : 'wait', refused ? known.reasons[p.reason]?.name ?? p.reason : entry?.name ?? spoken(p.type)));
  if (p.times > 1) what.append(' ', node('span', 'times', `${p.times} times`));
  li.append(node('time', 'small', p.at.slice(11, 19)), what);
  const next = refused ? advice(p.reason) : entry?.next;
  if (next && next !== 'Nothing.') li.append(node('p', 'next', next));
  return li;
}
