// Switches, for the chosen lane, its controller and its zone.
import { fault } from './lane.js';
import { given } from './people.js';

// switches returns what draws them.
export function switches(page) {
  const root = document.getElementById('switches'), controls = [...root.querySelectorAll('.control')];
  const target = box => {
    const lane = page.lane();
    return { lane: lane?.id, controller: lane?.controller, zone: String(lane?.zone) }[box.dataset.target] ?? '';
  };
  // On a phone all of them together are six screens long: each group opens by a tap.
  const groups = [...root.querySelectorAll('.group')], narrow = matchMedia('(max-width: 40rem)');
  const fold = () => groups.forEach(g => { g.open = !narrow.matches; });
  narrow.addEventListener('change', fold);
  fold();
  root.addEventListener('click', e => {
    const b = e.target.closest('.choices button');
    if (!b || b.disabled) return;
    const box = b.closest('.control');
    page.deed([box.dataset.verb, target(box), b.dataset.words, ...given(box)].filter(Boolean).join(' '));
  });
  return {
    draw: view => {
      for (const box of controls) {
        if (!('fault' in box.dataset)) continue;
        const word = fault(view, box.dataset.verb, target(box));
        box.classList.toggle('on', word !== '');
        for (const b of box.querySelectorAll('.choices button')) {
          const on = word === b.dataset.words || word === '' && 'well' in b.dataset;
          if (b.getAttribute('aria-pressed') !== String(on)) b.setAttribute('aria-pressed', String(on));
        }
      }
      for (const g of groups) g.classList.toggle('on', g.querySelector('.control.on') !== null);
    },
  };
}
