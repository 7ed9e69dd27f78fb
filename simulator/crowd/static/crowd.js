// Keeps the page current, and sends what its buttons ask for without leaving it.

const said = document.getElementById('said');
const every = 1000; // ms

// parts takes in what the server draws, each where it stands; who has the focus keeps it.
function parts(html) {
  const box = document.createElement('div');
  box.innerHTML = html;
  for (const part of box.querySelectorAll('template[data-for]')) {
    const place = document.querySelector(`[data-part="${part.dataset.for}"]`);
    if (!place) continue;
    const focused = place.contains(document.activeElement) ? document.activeElement.name : null;
    const value = focused && document.activeElement.value;
    place.replaceChildren(part.content);
    if (focused) (place.querySelector(`[name="${focused}"][value="${value}"]`) || place.querySelector('button'))?.focus();
  }
}

async function refresh() {
  try {
    const answer = await fetch('/crowd/parts');
    if (answer.ok) parts(await answer.text());
  } catch { /* the simulator has ended; what was last seen stands */ }
}

async function keep() {
  if (!document.hidden) await refresh();
  setTimeout(keep, every);
}

document.querySelector('form.controls').addEventListener('submit', async event => {
  event.preventDefault();
  const { name, value } = event.submitter;
  try {
    const answer = await fetch('/crowd/do', { method: 'POST', headers: { Accept: 'text/plain' }, body: new URLSearchParams({ [name]: value }) });
    said.textContent = await answer.text();
  } catch {
    said.textContent = 'The simulator does not answer; look whether it still runs.';
  }
  refresh();
});

keep();
