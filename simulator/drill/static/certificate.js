// The name on a certificate, which stays in the page.
const name = document.getElementById('name'), who = document.getElementById('who');
name.oninput = () => { who.textContent = name.value.trim() || '\u00a0'; };
document.getElementById('print').onclick = () => {
  if (!name.value.trim()) { name.focus(); return; }
  window.print();
};
name.focus();
