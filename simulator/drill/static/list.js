// The list of drills: what this browser remembers of them.
import { results, forget } from './results.js';

const kept = results();
let passed = 0;
for (const card of document.querySelectorAll('[data-drill]')) {
  const r = kept[card.dataset.drill], badge = card.querySelector('.badge');
  if (!r) continue;
  badge.hidden = false;
  badge.textContent = r.passed ? `passed with ${r.percent} %` : `${r.percent} %, not passed yet`;
  badge.classList.add(r.passed ? 'ok' : 'wait');
  card.classList.toggle('passed', r.passed);
  if (r.passed) passed++;
}
const bar = document.getElementById('bar');
document.getElementById('progress').hidden = Object.keys(kept).length === 0;
bar.value = passed;
document.getElementById('count').textContent = `${passed} of ${bar.max} passed`;
document.getElementById('forget').onclick = () => { forget(); location.reload(); };
