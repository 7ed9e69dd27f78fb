// One drill: the briefing, then situation after situation, then what came out.
import { watch, quote } from '/static/live.js';
import { drawLane, words } from '/static/lane.js';
import { warnings, spoken as named } from '/static/console.js';
import { keep } from './results.js';

const $ = id => document.getElementById(id);
words().then(w => { known = w; });
const root = $('drill'), drill = root.dataset.name, kept = 'turnstile-drill';
let run = '', source, state, before, known = { reasons: {} }, asking = '', due = 0, total = 1;

async function order(what, more = {}) {
  try {
    const r = await fetch('/drills/do/' + what, { method: 'POST', body: JSON.stringify({ run, drill, ...more }) });
    const a = r.ok ? await r.json() : { ok: false, error: await r.text() };
    $('say').textContent = a.ok || a.busy || what === 'act' ? '' : a.error;
    return a;
  } catch {
    $('say').textContent = 'The simulator does not answer. Look whether it still runs.';
    return { ok: false, error: '' };
  }
}

function node(name, className, text) {
  const n = document.createElement(name);
  if (className) n.className = className;
  if (text) n.textContent = text;
  return n;
}

// Beginning, and going on behind a reload.
async function begin() {
  const a = await order('start', { unhurried: $('unhurried').checked });
  $('busy').hidden = !a.busy;
  if (a.busy) { $('busy-text').textContent = a.error.charAt(0).toUpperCase() + a.error.slice(1); $('end-other').focus(); return; }
  if (!a.ok) return;
  sessionStorage.setItem(kept, JSON.stringify({ drill, run: a.run }));
  follow(a.run);
}
$('start').onclick = begin;
$('end-other').onclick = async () => {
  await fetch('/drills/do/quit', { method: 'POST', body: '{}' });
  begin();
};

function follow(token) {
  run = token;
  before = undefined;
  $('briefing').hidden = true;
  $('stage').hidden = false;
  source = new EventSource('/drills/events?run=' + encodeURIComponent(run));
  source.onmessage = e => show(JSON.parse(e.data));
  source.onerror = async () => { // also when the page is left: then nobody answers here
    if (source.readyState !== EventSource.CLOSED || state?.phase === 'over' || state?.phase === 'stopped') return;
    const r = await fetch('/drills/state?run=' + encodeURIComponent(run)).catch(() => null);
    if (r?.status === 404) gone();
  };
}

function gone() {
  sessionStorage.removeItem(kept);
  $('stage').hidden = true;
  $('briefing').hidden = false;
  $('say').textContent = 'The drill has ended. You can begin it again.';
}

async function resume() {
  let old;
  try { old = JSON.parse(sessionStorage.getItem(kept)); } catch { old = null; }
  if (old?.drill !== drill) return;
  const r = await fetch('/drills/state?run=' + encodeURIComponent(old.run)).catch(() => null);
  if (r?.ok) follow(old.run); else sessionStorage.removeItem(kept);
}

// What is asked.
function show(s) {
  const earlier = state;
  state = s;
  const open = s.phase === 'asked', over = s.phase === 'over', stopped = s.phase === 'stopped';
  const busy = s.phase === 'staging' || s.phase === 'doing';
  root.dataset.phase = s.phase;
  $('where').textContent = over ? 'Done' : `Situation ${s.at} of ${s.of}`;
  $('points').textContent = `${s.points} of ${s.possible} points`;
  $('asking').hidden = s.phase === 'staging' || over || stopped;
  $('summary').hidden = !over;
  $('stopped').hidden = !stopped;
  $('wait').hidden = !busy;
  $('wait-text').textContent = s.phase === 'doing' ? 'It is being done …' : 'The scene is being set …';
  $('name').textContent = over ? (s.result.passed ? 'Passed' : 'Not passed yet') : stopped ? 'Stopped' : s.name;
  if (s.phase !== earlier?.phase || s.at !== earlier?.at) waiting = performance.now();
  clock(s, open);
  const now = s.at + '/' + s.phase;
  if (over) { if (now !== asking) summary(s.result); }
  else if (stopped) stop(s);
  else if (s.phase !== 'staging') question(s, earlier, open);
  if (now !== asking && (open || over || stopped)) $('name').focus({ preventScroll: false });
  asking = now;
}

function clock(s, open) {
  total = s.limit;
  due = open ? performance.now() + s.left * 1000 : 0;
  $('left').hidden = !open;
  document.querySelector('.time').classList.toggle('off', !open);
  tick();
}

// tick draws the time that is left, and says so where a scene takes long to be set.
let told = '', waiting = 0;
const patience = 4000;
function tick() {
  if (state?.phase === 'staging' && performance.now() - waiting > patience) $('wait-text').textContent = 'The scene is being set … this one takes up to a minute.';
  if (!due) return;
  const left = (due - performance.now()) / 1000, whole = Math.ceil(left);
  const text = left <= 0 ? 'Late, but go on' : whole > 90 ? `${Math.ceil(whole / 60)} min left` : `${whole} s left`;
  if (text !== told) $('left').textContent = told = text;
  root.classList.toggle('late', left <= 0);
  $('time').style.width = Math.max(0, Math.min(1, left / total)) * 100 + '%';
}
setInterval(tick, 250);

function question(s, earlier, open) {
  const fresh = earlier?.at !== s.at || earlier?.phase === 'staging' || !earlier;
  if (fresh) {
    $('story').replaceChildren(...s.story.map(t => node('p', '', t)));
    $('ask').textContent = s.ask;
    $('choices').replaceChildren(...s.choices.map(choice));
    document.querySelectorAll('form.tool').forEach(f => f.reset());
    tool('');
  }
  $('choices').hidden = s.task;
  $('tools-box').hidden = !s.task || !open;
  s.choices.forEach((c, i) => {
    const b = $('choices').children[i].firstChild;
    b.disabled = !open || c.tried;
    b.dataset.state = c.right ? 'right' : c.tried ? 'wrong' : '';
    b.querySelector('.mark').textContent = c.right ? '✓' : c.tried ? '✗' : i + 1;
    b.querySelector('.hidden').textContent = c.right ? ' (right)' : c.tried ? ' (wrong)' : '';
  });
  people(s.people);
  remarks(s);
  const done = s.phase === 'explained';
  $('next').hidden = !done;
  $('next').textContent = s.at === s.of ? 'See how it went' : 'Go on';
  if (done && earlier?.phase !== 'explained') $('next').focus();
  $('help').hidden = !open;
}

function choice(c, i) {
  const li = node('li'), b = node('button', 'choice');
  b.append(node('span', 'mark', String(i + 1)), node('span', 'text', c.text), node('span', 'hidden'));
  b.onclick = () => order('answer', { choice: i });
  li.append(b);
  return li;
}

// spoken is an act as a person says it.
function spoken(line) {
  const [verb, ...rest] = line.replace(/ ?reason=("(\\.|[^"])*"|\S+)/, '').split(' ');
  const names = { mode: `Zone ${rest[0]}: ${(rest[1] ?? '').replace('_', ' ')}`, open: `Open ${rest[0]} once, ${rest[1]}`, scan: `Scan “${rest[1]}” at ${rest[0]}`, hold: `Hold “${rest[0]}”`, revoke: `Revoke “${rest[0]}”`, release: `Release “${rest[0]}”`,
    scanner: `Plug in the scanner of ${rest[0]}`, gate: `Plug in the gate of ${rest[0]}`, tamper: `Close the housing of ${rest[0]}`, fire: `Fire alarm at ${rest[0]}` };
  return names[verb] ?? line;
}

function remarks(s) {
  const list = s.remarks.map(r => {
    const box = node('div', 'remark ' + (r.good ? 'good' : 'bad'));
    box.append(node('p', 'title', `${r.good ? 'Right' : 'Not quite'}: ${s.task ? spoken(r.what) : r.what}`), node('p', '', r.why));
    return box;
  });
  const box = $('remarks');
  if (box.childElementCount > list.length || state.remarks.length === 0) box.replaceChildren();
  list.slice(box.childElementCount).forEach(r => box.append(r));
}

// Tools of a task.
function tool(name) {
  for (const b of document.querySelectorAll('.tool-tabs button')) b.setAttribute('aria-pressed', String(b.dataset.tool === name));
  for (const f of document.querySelectorAll('form.tool')) f.hidden = f.dataset.tool !== name;
  $('tool-say').textContent = '';
}
for (const b of document.querySelectorAll('.tool-tabs button')) b.onclick = () => {
  tool(b.dataset.tool);
  document.querySelector(`form.tool[data-tool="${b.dataset.tool}"] select`).focus();
};

function options(select, list) {
  const now = JSON.stringify(list);
  if (select.dataset.drawn === now) return;
  select.dataset.drawn = now;
  const chosen = select.value;
  select.replaceChildren(new Option('Choose', ''), ...list.map(([value, text]) => new Option(text, value)));
  if (list.some(([v]) => v === chosen)) select.value = chosen;
}
const people = list => document.querySelectorAll('select[name=pass]').forEach(e => options(e, list.map(n => [n, n])));

const lines = {
  mode: f => ['mode', f.zone, f.mode, reason(f)], open: f => ['open', f.lane, f.way, reason(f)], pass: f => [f.deed, f.pass && quote(f.pass), reason(f)],
  scan: f => ['scan', f.lane, f.pass && quote(f.pass)], hands: f => f.deed ? [f.deed.split(' ')[0], f.lane, f.deed.split(' ')[1]] : [''],
};
const reason = f => f.reason.trim() ? 'reason=' + quote(f.reason.trim()).replace(/^([^"].*)$/, '"$1"') : null;
for (const form of document.querySelectorAll('form.tool')) form.onsubmit = async e => {
  e.preventDefault();
  const words = lines[form.dataset.tool](Object.fromEntries(new FormData(form)));
  if (words.some(w => w === '' || w === undefined)) { $('tool-say').textContent = 'Choose everything first.'; return; }
  const a = await order('act', { line: words.filter(w => w !== null).join(' ') });
  $('tool-say').textContent = a.ok ? '' : a.error;
};

// What came out.
function summary(r) {
  keep(r);
  sessionStorage.removeItem(kept);
  const box = $('summary');
  const ring = `<svg class="ring" viewBox="0 0 120 120" aria-hidden="true"><circle cx="60" cy="60" r="52"/><circle class="got" cx="60" cy="60" r="52" pathLength="100"/></svg>`;
  const head = node('div', 'score ' + (r.passed ? 'good' : 'bad'));
  head.innerHTML = ring;
  head.querySelector('.got').style.strokeDasharray = `${r.percent} 100`;
  const words = node('div');
  words.append(node('p', 'percent', `${r.percent} %`), node('p', '', `${r.points} of ${r.of} points. ${r.passed ? 'Well done.' : `It is passed with ${r.pass} %: do it once more.`}`));
  head.append(words);
  const list = node('ol', 'plain lines');
  for (const l of r.lines) {
    const li = node('li', l.points === l.of ? 'good' : 'bad'), notes = [];
    if (l.mistakes) notes.push(`${l.mistakes} ${l.mistakes === 1 ? 'mistake' : 'mistakes'}`);
    if (l.late) notes.push('late');
    if (l.helped) notes.push('shown');
    li.append(node('span', 'got', `${l.points}/${l.of}`), node('b', '', l.name), node('span', 'soft small', notes.join(', ')));
    if (l.points < l.of) li.append(node('p', 'again', 'Read again: ' + l.remember));
    list.append(li);
  }
  const row = node('p', 'row');
  const link = (href, text, main) => { const a = node('a', main ? 'button main' : 'button', text); a.href = href; return a; };
  if (r.passed) row.append(link('/drills/certificate?run=' + encodeURIComponent(run), 'Certificate', true));
  const again = node('button', r.passed ? '' : 'main', 'Do it again');
  again.onclick = () => { state = undefined; asking = ''; begin(); };
  row.append(again, link('/drills/', 'All drills'));
  box.replaceChildren(head, list, row);
}

function stop(s) {
  sessionStorage.removeItem(kept);
  $('stopped-why').textContent = s.stopped;
  $('stopped-history').textContent = (s.history ?? []).join('\n');
  $('stopped-file').href = '/drills/history?run=' + encodeURIComponent(run);
}

$('next').onclick = () => order('next');
$('help').onclick = () => order('help');
$('quit').onclick = async () => { await order('quit'); sessionStorage.removeItem(kept); location.href = '/drills/'; };
document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.altKey || e.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
  const b = state?.phase === 'asked' && !state.task && /^[1-5]$/.test(e.key) ? $('choices').children[e.key - 1]?.firstChild : null;
  if (b && !b.disabled) b.click();
});

// The lanes, and what the guard's console has of them; what was there before the drill
// is left out.
const shown = root.dataset.lanes.trim().split(' ');
const plain = name => state?.suffix && name.endsWith(state.suffix) ? name.slice(0, -state.suffix.length) : name;
const warned = (l, w) => [l.id, w.code, w.detail].join();
function since(view) {
  before ??= { alarm: Math.max(0, ...view.alarms.map(a => a.number)), row: Math.max(0, ...view.passages.map(p => p.number)),
    last: Object.fromEntries(view.lanes.map(l => [l.id, l.last?.at])), warnings: view.lanes.flatMap(l => l.warnings.map(w => warned(l, w))) };
  for (const l of view.lanes) {
    if (l.last?.at === before.last[l.id]) l.last = null;
    if (l.last) l.last.pass = plain(l.last.pass).replace(/^./, c => c.toUpperCase());
    l.warnings = l.warnings.filter(w => !before.warnings.includes(warned(l, w)));
  }
  view.alarms = view.alarms.filter(a => a.number > before.alarm);
  view.passages = view.passages.filter(p => p.number > before.row);
  return view;
}

function draw(full) {
  if ($('stage').hidden || state?.phase === 'over') return;
  const view = since(full);
  for (const id of shown) {
    const lane = view.lanes.find(l => l.id === id);
    if (!lane) continue;
    let box = $('lane-' + id);
    if (!box) {
      const card = node('article', 'card drill-lane');
      card.append(node('h2', '', lane.name), box = node('div'));
      box.id = 'lane-' + id;
      $('lanes').append(card);
    }
    drawLane(box, lane, view);
  }
  document.querySelectorAll('select[name=lane]').forEach(e => options(e, view.lanes.map(l => [l.id, l.name])));
  consoleOf(view);
}

const nameOf = (view, id) => view.lanes.find(l => l.id === id)?.name ?? (view.lanes.filter(l => l.controller === id).map(l => l.name).join(', ') || id);
const rows = ['granted', 'passed', 'denied', 'not_passed', 'tailgated', 'forced'];
const spokenRow = p => p.type === 'denied' ? `refused: ${known.reasons[p.reason]?.name ?? ''} (${p.reason})` : { granted: 'let in', passed: 'walked through', not_passed: 'did not walk' }[p.type] ?? p.type;
let written = '';
function consoleOf(view) {
  const notes = [];
  for (const l of view.lanes.filter(l => shown.includes(l.id))) {
    if (!l.answers) notes.push(['alarm', `${l.name}: no answer`, 'Send people to the next lane.']);
  }
  for (const w of warnings(view.lanes.filter(l => shown.includes(l.id)))) notes.push([w.severity, `${w.lane}: ${w.name}`, w.next]);
  for (const a of view.alarms.slice(0, 3)) notes.push(['alarm', `${named(a.kind)}${a.lane ? ' at ' + nameOf(view, a.lane) : ''}`, a.next ?? '']);
  for (const p of view.passes) if (p.status !== 'good' && p.name.endsWith(state?.suffix || '\0')) notes.push(['notice', `Pass ${plain(p.name)}: ${p.status}`, `${p.lanes} of ${p.of} lane controllers refuse it`]);
  const list = view.passages.filter(p => rows.includes(p.type)).slice(0, 4);
  const now = JSON.stringify([notes, list]);
  if (now === written) return;
  written = now;
  $('notes').replaceChildren(...notes.slice(0, 7).map(([level, title, next]) => {
    const li = node('li', 'note-line');
    li.dataset.level = level;
    li.append(node('b', '', title), ' ', node('span', 'small', next));
    return li;
  }));
  if (!notes.length) $('notes').append(node('li', 'small soft', 'No warnings.'));
  $('passages').replaceChildren(...list.map(p => {
    const li = node('li', 'small');
    li.append(node('span', 'soft', p.at.slice(11, 19)), ' ', node('b', '', nameOf(view, p.lane)), ` ${plain(p.pass)} `, node('span', p.type === 'denied' ? 'no' : p.type === 'granted' || p.type === 'passed' ? 'ok' : 'wait', spokenRow(p)));
    return li;
  }));
}
watch(draw, { lost: () => { if (run) $('say').textContent = 'The simulator does not answer. Look whether it still runs.'; } });
resume().then(() => { document.body.dataset.ready = 'yes'; });
