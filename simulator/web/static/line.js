// A line for any deed, with suggestions.

// line sets the form up.
export async function line(page) {
  const form = document.getElementById('line-form'), input = document.getElementById('line-text'), list = document.getElementById('line-list');
  const verbs = await fetch('/live/verbs').then(a => a.json()).catch(() => []);
  const named = verb => {
    const v = page.view, unique = all => [...new Set(all)];
    if (!v) return [];
    return { lane: v.lanes.map(l => l.id), controller: unique(v.lanes.map(l => l.controller)), zone: unique(v.lanes.map(l => String(l.zone))), name: v.passes.map(p => p.name) }[verb.Target] ?? [];
  };
  // options are what may stand next behind the whole words that are there.
  function options(parts) {
    if (parts.length === 0) return verbs.map(v => v.Name);
    const verb = verbs.find(v => v.Name === parts[0]);
    if (!verb) return [];
    const rest = parts.slice(1);
    if (verb.Target && rest.length === 0) return named(verb);
    const plain = rest.filter(w => !w.includes('=')).length - (verb.Target ? 1 : 0);
    let next = verb.Words?.[plain] ?? [];
    if (verb.Name === 'scan' && plain === 0) next = page.view?.passes.map(p => p.name) ?? [];
    return [...next, ...(verb.Keys ?? []).filter(k => !rest.some(w => w.startsWith(k + '='))).map(k => k + '=')];
  }
  input.addEventListener('input', () => {
    const parts = input.value.split(/\s+/), last = parts.pop(), before = parts.filter(Boolean);
    list.replaceChildren(...options(before).filter(o => o.startsWith(last)).slice(0, 40).map(o => {
      const option = document.createElement('option');
      option.value = [...before, o].join(' ');
      return option;
    }));
  });
  form.addEventListener('submit', async e => {
    e.preventDefault();
    if (input.value.trim() && await page.deed(input.value.trim())) input.value = '';
  });
}
