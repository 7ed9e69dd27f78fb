// People with their phones, and what can be done with their passes.
import { symbolURL, quote } from './live.js';

const $ = (selector, from = document) => from.querySelector(selector);
function put(node, text) { if (node.textContent !== text) node.textContent = text; }
const maxShown = 40; // newest first; acts reach the others as well

const kinds = { ecard: 'eCard', supervisor: 'supervisor’s' };
const forgeries = { foreign: 'a poster', damaged: 'damaged print', half: 'half a code', tag: 'forged tag', bare: 'without its tag' };

// standees are who stands in the queue for the passes of a View: with each screenshot
// somebody of its own.
function standees(view) {
  const list = [];
  for (const p of view.passes.slice().reverse()) {
    if (p.shot) list.push({ pass: p, which: 'shot', says: 'a screenshot', bad: true });
    const forged = p.forged ? forgeries[p.forged] ?? 'forged ' + p.forged : '';
    list.push({ pass: p, which: p.forged ? 'forged' : '', bad: !!forged, says: forged || (p.status !== 'good' ? p.status : p.live ? 'live code' : kinds[p.kind] ?? p.kind) });
  }
  return list.slice(0, maxShown);
}

const key = s => s.pass.name + ' ' + s.which;

// queue returns what draws the people, and has them scan.
export function queue(page) {
  const list = $('#queue'), dialog = passDialog(page);
  const find = li => standees(page.view).find(s => key(s) === li.dataset.key);
  const scan = async ({ name, which }, lane, way = '') => {
    const p = page.view.passes.find(x => x.name === name);
    page.held[lane] = symbolURL(name, which, p?.symbol + (p?.forged ?? ''));
    const li = list.querySelector(`[data-key="${CSS.escape(name + ' ' + which)}"]`);
    li?.classList.add('busy');
    await page.deed(['scan', lane, quote(name), which, way && 'way=' + way].filter(Boolean).join(' '));
    li?.classList.remove('busy');
  };
  list.addEventListener('click', e => {
    const li = e.target.closest('.person');
    if (!li) return;
    const s = find(li);
    if (e.target.closest('.more')) dialog.open(s.pass.name);
    else if (e.target.closest('.hold')) scan({ name: s.pass.name, which: s.which }, page.chosen);
  });
  $('#people .other').addEventListener('click', e => {
    const b = e.target.closest('.choices button');
    if (b) page.deed(['issue', fresh(page, b.dataset.words), b.dataset.words, ...given(b.closest('.control'))].join(' '));
  });
  list.addEventListener('dragstart', e => {
    const s = find(e.target.closest('.person'));
    e.dataTransfer.setData('application/x-person', JSON.stringify({ name: s.pass.name, which: s.which }));
    e.dataTransfer.effectAllowed = 'copy';
  });
  return { scan, draw: view => { draw(list, view, page); dialog.draw(view, scan); } };
}

function draw(list, view, page) {
  const people = standees(view), keep = new Set(people.map(key));
  $('#nobody').hidden = people.length > 0;
  for (const li of [...list.children]) if (!keep.has(li.dataset.key)) li.remove();
  people.forEach((s, i) => {
    let li = list.querySelector(`[data-key="${CSS.escape(key(s))}"]`);
    if (!li) {
      li = $('#person-template').content.firstElementChild.cloneNode(true);
      li.dataset.key = key(s);
    }
    if (list.children[i] !== li) list.insertBefore(li, list.children[i] ?? null);
    drawPerson(li, s, page);
  });
}

function drawPerson(li, s, page) {
  const image = $('img', li), src = symbolURL(s.pass.name, s.which, s.pass.symbol + s.pass.forged + (s.which === 'shot' ? s.pass.id : ''));
  if (image.getAttribute('src') !== src) image.src = src;
  put($('.who', li), s.pass.name);
  put($('.chip', li), s.says);
  li.dataset.status = s.pass.status;
  li.toggleAttribute('data-bad', s.bad);
  put($('.scans', li), `scan at ${page.lane()?.name}`);
  $('.more', li).setAttribute('aria-label', `More about ${s.pass.name}`);
}

// fresh is a name that nobody has yet.
function fresh(page, stem) {
  let n = 1;
  while (page.view.passes.some(p => p.name === `${stem}-${n}`)) n++;
  return `${stem}-${n}`;
}

// given are the fields of a control that were filled in, as they stand in a line.
export const given = box => [...box.querySelectorAll('[data-key]')].filter(f => f.value.trim()).map(f => `${f.dataset.key}=${quote(f.value.trim())}`);

// perform makes somebody of a preset button.
export async function perform(page, b) {
  const lane = page.lane(), name = fresh(page, b.dataset.stem);
  const zones = page.view.lanes.map(l => l.zone);
  const other = zones.find(z => z !== lane.zone) ?? (lane.zone + 1) % 16;
  b.disabled = true;
  for (let i = 0; i < Number(b.dataset.lineCount); i++) {
    const text = b.dataset['line' + i].replaceAll('{name}', name).replaceAll('{lane}', lane.id).replaceAll('{other}', other);
    if (!await page.deed(text)) break;
  }
  b.disabled = false;
  b.focus({ preventScroll: true });
}

// passDialog shows one pass: its symbol, where it is known, and what can be done with it.
function passDialog(page) {
  const dialog = $('#pass-dialog'), scans = $('#pass-scans');
  let name = '', drawn = '';
  dialog.addEventListener('click', e => {
    const b = e.target.closest('.choices button');
    if (!b || b.disabled) return;
    const box = b.closest('.control');
    page.deed([box.dataset.verb, quote(name), b.dataset.words, ...given(box)].filter(Boolean).join(' '));
  });
  function buttons(p, scan) {
    const now = JSON.stringify([name, p.shot, p.forged, page.view.lanes.map(l => l.id)]);
    if (now === drawn) return;
    drawn = now;
    scans.replaceChildren();
    for (const lane of page.view.lanes) {
      for (const [which, way, says] of [['', '', 'in'], ['', 'out', 'out'], ...(p.shot ? [['shot', '', 'in, screenshot']] : []), ...(p.forged ? [['forged', '', 'in, forged']] : [])]) {
        const b = document.createElement('button');
        b.textContent = `${lane.name}: ${says}`;
        b.addEventListener('click', () => { dialog.close(); scan({ name: p.name, which }, lane.id, way); });
        scans.append(b);
      }
    }
  }
  return {
    open: n => { name = n; drawn = ''; page.choose(page.chosen); dialog.showModal(); },
    draw: (view, scan) => {
      const p = view.passes.find(x => x.name === name);
      if (!p) return;
      put($('#pass-title'), p.name);
      const reach = p.status === 'good' ? '' : `; ${p.lanes} of ${p.of} lane controllers refuse it by now`;
      put($('#pass-facts'), `${kinds[p.kind] ?? p.kind}, ${p.live ? 'live, ' : ''}${p.status}${reach}. Number ${p.id}.`);
      const src = symbolURL(p.name, '', p.symbol), image = $('#pass-symbol');
      if (image.getAttribute('src') !== src) { image.src = src; image.alt = `The symbol of ${p.name}`; }
      buttons(p, scan);
    },
  };
}
