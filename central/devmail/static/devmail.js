// Loads the list again when a mail has come. Without it, load the page again.
const list = document.getElementById('list');
new EventSource('/live').onmessage = async () => {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  list.replaceChildren(...page.getElementById('list').childNodes);
};
