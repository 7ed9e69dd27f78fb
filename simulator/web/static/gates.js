// The page with the gates: it draws what the campus is like, and sends what was clicked.
import { watch, act, scanPicture } from './live.js';
import { drawLane, fault, sentence, advice, words } from './lane.js';
import { queue, perform } from './people.js';
import { drawConsole } from './console.js';
import { switches } from './switches.js';
import { line } from './line.js';
import { camera } from './camera.js';
import { phone } from './phone.js';

const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => from.querySelectorAll(selector);
const page = { view: null, chosen: '', held: {}, people: {} }; // held and people by lane: what is before the scanner, who walks

// put writes a text only if it is another one: screen readers read what is written.
function put(node, text) { if (node && node.textContent !== text) node.textContent = text; }
const say = text => put($('#say'), text);

// deed does a line, and says what is wrong with it.
page.deed = async text => {
  say('');
  const walk = /^walk (\S+)(?:.* people=(\d+))?/.exec(text);
  if (walk) page.people[walk[1]] = walk[2] ?? 1;
  const { ok, error } = await act(text);
  if (!ok) say(error);
  return ok;
};
page.lane = id => page.view.lanes.find(l => l.id === (id ?? page.chosen));
page.choose = id => {
  page.chosen = id;
  if (page.view) draw(page.view);
  const lanes = $('#lanes');
  if (lanes.scrollWidth > lanes.clientWidth) $('.chosen', lanes)?.scrollIntoView({ inline: 'center', block: 'nearest' });
};
page.say = say;
page.picture = picture;

document.getElementById('tools').append($('#tools-template').content.cloneNode(true));
const people = queue(page), panel = switches(page), open = camera(page), handset = phone(page);
line(page);

function drawEntrance(lane, number) {
  let box = $(`#lanes > [data-lane="${CSS.escape(lane.id)}"]`);
  if (!box) {
    box = $('#lane-template').content.firstElementChild.cloneNode(true);
    box.dataset.lane = lane.id;
    box.setAttribute('aria-label', lane.name);
    put($('.lane-name', box), lane.name);
    put($('.choose kbd', box), String(number));
    put($('.where', box), `zone ${lane.zone}`);
    $('#lanes').append(box);
  }
  const chosen = lane.id === page.chosen;
  box.classList.toggle('chosen', chosen);
  $('.choose', box).setAttribute('aria-pressed', String(chosen));
  drawWire(box, lane);
  drawLane($('.figure', box), lane, page.view, { symbol: page.held[lane.id], people: page.people[lane.id] });
  if (!lane.walking) delete page.people[lane.id];
  put($('.facts', box), facts(lane));
}

const cables = { cut: 'cut', hold: 'half open', slow: 'slow' };
function drawWire(box, lane) {
  const cable = fault(page.view, 'cable', lane.controller), broker = fault(page.view, 'broker', '');
  const wire = $('.wire', box);
  wire.dataset.state = cable || (page.view.central.up && lane.answers && !broker ? 'whole' : 'dead');
  put($('.cable', box), cable ? `Join cable (${cables[cable]})` : 'Cut cable');
  $('.cable', box).dataset.line = `cable ${lane.controller} ${cable ? 'join' : 'cut'}`;
}

function facts(lane) {
  if (!lane.answers) return `Controller ${lane.controller} does not answer.`;
  const heard = lane.feed_age < 0 ? 'never heard central' : `central ${span(lane.feed_age)} ago`;
  const waiting = lane.backlog ? ` · ${lane.backlog} ${lane.backlog === 1 ? 'entry waits' : 'entries wait'}` : '';
  return `${lane.decisions} decided · ${heard} · clock ${lane.clock}${waiting}`;
}
const span = s => s < 120 ? `${s} s` : s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;

function drawCentral(view) {
  const { up } = view.central, stands = fault(view, 'central', ''), broker = fault(view, 'broker', '');
  const wrong = { freeze: 'stands still', full: 'disk full', kill: 'off' }[stands];
  $('#central').dataset.state = up && !stands && !broker ? 'up' : 'down';
  for (const n of $$('[data-say=central]')) put(n, broker ? 'broker off' : wrong ?? (up ? 'answers' : 'does not answer'));
  put($('[data-say=broker]'), up && !stands ? 'signs passes, keeps the ledger, tells lanes what is revoked' : 'lanes go on by what they know; what they write down waits');
  const b = $('#central [data-toggle]');
  put(b, stands ? 'Switch on' : 'Switch off');
  b.dataset.line = stands ? b.dataset.back : b.dataset.toggle;
}

const decided = {}; // by lane, how many decisions were told
function tell(view) {
  const news = [];
  for (const l of view.lanes) {
    if (l.last && decided[l.id] !== undefined && decided[l.id] !== l.decisions) news.push(`${l.name}: ${sentence(l.last)} ${advice(l.last.reason)}`);
    decided[l.id] = l.decisions;
  }
  if (news.length) put($('#told'), news.join(' '));
}

function draw(view) {
  page.view = view;
  if (!page.lane()) page.chosen = view.lanes[0]?.id ?? '';
  drawCentral(view);
  view.lanes.forEach((l, i) => drawEntrance(l, i + 1));
  const lane = page.lane();
  for (const [key, text] of [['chosen', lane?.name], ['controller', lane?.controller], ['zone', String(lane?.zone)]]) for (const n of $$(`[data-say=${key}]`)) put(n, text ?? '');
  put($('[data-say=clock]'), (view.played ? 'played clock: ' : '') + view.now.slice(0, 10) + ' ' + view.now.slice(11, 19));
  people.draw(view);
  panel.draw(view);
  handset.draw(view);
  drawConsole(view);
  tell(view);
  document.body.dataset.ready = '1';
}

await words(); // before the first drawing, or reasons would stand there as codes
watch(draw, { lost: () => { put($('[data-say=central]'), 'the simulator does not answer'); $('#central').dataset.state = 'down'; } });

// What was clicked.
document.addEventListener('click', e => {
  const b = e.target.closest('button');
  if (!b || b.disabled) return;
  const lane = b.closest('[data-lane]')?.dataset.lane;
  if (b.classList.contains('choose')) page.choose(lane);
  else if (b.classList.contains('camera')) open();
  else if (b.dataset.line) page.deed(b.dataset.line);
  else if (b.dataset.line0) perform(page, b);
  else if (b.classList.contains('close')) b.closest('dialog').close();
});
// A click anywhere on a lane's drawing chooses it.
$('#lanes').addEventListener('click', e => { const f = e.target.closest('.figure'); if (f) page.choose(f.closest('[data-lane]').dataset.lane); });

// Pictures and codes, from wherever they come.
async function picture(lane, file) {
  say('');
  if (page.held[lane]?.startsWith('blob:')) URL.revokeObjectURL(page.held[lane]);
  page.held[lane] = URL.createObjectURL(file);
  const { ok, error } = await scanPicture(lane, file);
  if (!ok) say(error);
}
const text = (lane, code) => code.trim() && page.deed(`scan ${lane} text=${'"' + code.trim().replace(/[\\"]/g, '\\$&') + '"'}`);
$('#picture').addEventListener('change', e => {
  if (e.target.files[0]) picture(page.chosen, e.target.files[0]);
  e.target.value = '';
});
for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, e => {
    const box = e.target.closest?.('.lane'), field = e.target.closest?.('input, textarea');
    if (!box && field && !e.dataTransfer.types.includes('Files')) return;
    e.preventDefault(); // or the browser would show a dropped picture in the place of the page
    if (!box) {
      if (kind === 'drop') say('Drop it on a lane.');
      return;
    }
    box.classList.toggle('over', kind === 'dragover');
    if (kind !== 'drop') return;
    const lane = box.dataset.lane, person = e.dataTransfer.getData('application/x-person');
    if (person) people.scan(JSON.parse(person), lane);
    else if (e.dataTransfer.files[0]) picture(lane, e.dataTransfer.files[0]);
    else text(lane, e.dataTransfer.getData('text/plain'));
  });
}
// A pasted picture or code goes to the chosen lane.
document.addEventListener('paste', e => {
  if (e.target.closest?.('input, textarea')) return;
  if (e.clipboardData.files[0]) picture(page.chosen, e.clipboardData.files[0]);
  else text(page.chosen, e.clipboardData.getData('text/plain'));
});

// Keys, where nothing is typed; they can be switched off.
const keys = { p: '#people-title', s: '#switches-title', g: '#console-title', '/': '#line-text' };
const switched = $('#keys-on');
switched.checked = localStorage.getItem('keys') !== 'off';
switched.addEventListener('change', () => localStorage.setItem('keys', switched.checked ? 'on' : 'off'));
document.addEventListener('keydown', e => {
  if (!switched.checked || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea, dialog')) return;
  const lane = page.view?.lanes[Number(e.key) - 1];
  if (lane) page.choose(lane.id);
  else if (e.key === 'h') handset.toggle(true);
  else if (keys[e.key]) { $(keys[e.key]).focus(); $(keys[e.key]).scrollIntoView({ block: 'nearest' }); }
  else if (e.key === '?') $('#help-dialog').showModal();
  else return;
  e.preventDefault();
});
$('#help-button').addEventListener('click', () => $('#help-dialog').showModal());

// Recording: what is done from now on, as a scenario.
const record = $('#record');
record?.addEventListener('click', async () => {
  const on = record.getAttribute('aria-pressed') !== 'true';
  const answer = await fetch(on ? '/record/start' : '/record/stop', { method: 'POST' });
  if (!answer.ok) return say(await answer.text());
  record.setAttribute('aria-pressed', String(on));
  record.lastChild.data = on ? 'Stop and save' : 'Record';
  if (on) return;
  const a = document.createElement('a');
  a.href = URL.createObjectURL(new Blob([await answer.text()], { type: 'text/plain' }));
  a.download = `scenario-${page.view.now.slice(0, 19).replace(/:/g, '')}.txt`;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
});
