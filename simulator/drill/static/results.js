// The best result of each drill, in this browser alone.
const key = 'turnstile-drills';

export function results() {
  try { return JSON.parse(localStorage.getItem(key)) ?? {}; } catch { return {}; }
}

export function keep(r) {
  const all = results();
  if ((all[r.drill]?.percent ?? -1) >= r.percent) return;
  all[r.drill] = { percent: r.percent, passed: r.passed };
  try { localStorage.setItem(key, JSON.stringify(all)); } catch { /* the browser keeps nothing: then it is not kept */ }
}

export function forget() {
  try { localStorage.removeItem(key); } catch { /* nothing was kept */ }
}
