// The simulator's page: it draws what the server says and sends what was clicked.
'use strict';
const $ = (selector, from = document) => from.querySelector(selector);
const marks = { idle: '●', wait: '…', granted: '✓', denied: '✕', dark: '○' };
let state = { lanes: [], passes: [], passages: [] };

async function post(what, body) {
  const json = !(body instanceof Blob);
  const answer = await fetch('do/' + what, { method: 'POST', body: json ? JSON.stringify(body) : body,
    headers: { 'Content-Type': json ? 'application/json' : 'application/octet-stream' } });
  const text = await answer.text();
  $('#say').textContent = answer.ok ? '' : text;
  return answer.ok;
}

// element returns the child of list for key, made from the template if it is new.
function element(list, key, template) {
  let found = list.querySelector(`:scope > [data-key="${CSS.escape(key)}"]`);
  if (!found) {
    found = $('#' + template).content.firstElementChild.cloneNode(true);
    found.dataset.key = key;
    template === 'pass' ? list.prepend(found) : list.append(found);
  }
  return found;
}

function set(node, text) { if (node.textContent !== text) node.textContent = text; }

function drawLane(lane) {
  const box = element($('#lanes'), lane.id, 'lane');
  box.dataset.state = lane.state;
  box.classList.toggle('open', lane.open);
  box.classList.toggle('walking', lane.walking);
  box.classList.toggle('reading', lane.reading);
  set($('h2', box), lane.name);
  for (const m of box.querySelectorAll('.mark')) set(m, marks[lane.state] ?? '●');
  set($('.verdict', box), lane.verdict);
  set($('.facts', box), lane.facts);
  const frame = $('iframe', box);
  if (lane.display && frame.getAttribute('src') !== lane.display) frame.src = lane.display;
  press($('[data-do=network]', box), lane.cut, lane.cut ? 'Join network' : 'Cut network');
  press($('[data-do=hesitate]', box), lane.hesitate, 'Nobody walks');
}

function press(button, on, text) {
  button.setAttribute('aria-pressed', String(on));
  set(button, text);
}

function drawPass(pass) {
  const box = element($('#passes'), pass.id, 'pass');
  const picture = $('img', box);
  const src = `symbol/${pass.id}.svg?${pass.picture}`;
  if (picture.getAttribute('src') !== src) picture.src = src;
  picture.alt = `QR symbol of pass ${pass.id}`;
  set($('.name', box), pass.name);
  set($('.who', box), pass.id);
  const chip = $('.status', box);
  set(chip, pass.status);
  chip.className = 'chip status ' + (pass.status === 'good' ? 'good' : 'bad');
  set($('.reach', box), pass.reach);
  const scans = $('.scans', box);
  for (const lane of state.lanes) {
    if (scans.querySelector(`[data-scan="${lane.id}"]`)) continue;
    const b = document.createElement('button');
    b.dataset.scan = lane.id;
    b.textContent = 'Scan at ' + lane.name;
    scans.append(b);
  }
}

function drawPassages() {
  const body = $('#passages');
  const newest = state.passages.length ? String(state.passages[0].number) : '';
  $('#nothing').hidden = newest !== '';
  if (body.dataset.newest === newest) return;
  body.dataset.newest = newest;
  body.replaceChildren(...state.passages.map(row));
}

function row(p) {
  const tr = document.createElement('tr');
  for (const text of [p.number, p.time, p.lane, p.what, p.why, p.pass]) {
    const td = document.createElement('td');
    td.textContent = text;
    tr.append(td);
  }
  tr.children[3].className = p.good ? 'good' : p.bad ? 'bad' : '';
  return tr;
}

function draw(next) {
  state = next;
  set($('#central'), state.central);
  $('#central').className = 'chip ' + (state.up ? 'good' : 'bad');
  state.lanes.forEach(drawLane);
  state.passes.forEach(drawPass);
  drawPassages();
}

const source = new EventSource('events');
source.onmessage = e => draw(JSON.parse(e.data));
source.onerror = () => { set($('#central'), 'the simulator does not answer'); $('#central').className = 'chip bad'; };

document.addEventListener('click', e => {
  const b = e.target.closest('button');
  if (!b) return;
  const key = b.closest('[data-key]')?.dataset.key;
  if (b.dataset.make) post('issue', { what: b.dataset.make });
  if (b.dataset.scan) post('scan', { lane: b.dataset.scan, pass: key });
  if (b.dataset.set) post('set', { pass: key, verb: b.dataset.set });
  if (b.dataset.do) post(b.dataset.do, { lane: key, on: b.getAttribute('aria-pressed') !== 'true' });
});

const picture = (lane, file) => file && post('picture?lane=' + encodeURIComponent(lane), file);
const laneOf = e => e.target.closest?.('.lane');

document.addEventListener('change', e => {
  if (e.target.type !== 'file') return;
  picture(laneOf(e).dataset.key, e.target.files[0]);
  e.target.value = '';
});
for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, e => {
    const lane = laneOf(e);
    if (!lane) return;
    e.preventDefault();
    lane.classList.toggle('over', kind === 'dragover');
    if (kind !== 'drop') return;
    const file = e.dataTransfer.files[0];
    if (file) picture(lane.dataset.key, file);
    else post('scan', { lane: lane.dataset.key, text: e.dataTransfer.getData('text/plain') });
  });
}
// A pasted picture or text goes to the lane under the pointer, else to the first.
document.addEventListener('paste', e => {
  const lane = document.querySelector('.lane:hover') ?? $('.lane');
  const file = e.clipboardData.files[0];
  if (file) picture(lane.dataset.key, file);
  else post('scan', { lane: lane.dataset.key, text: e.clipboardData.getData('text/plain') });
});
