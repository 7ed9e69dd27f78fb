// A holder's phone beside the lanes: the portal in a frame, whom one can be, and what
// came by mail. It is held before a scanner as a phone is: by a picture of what it
// shows, which the browser takes of this tab.

const $ = (selector, from = document) => from.querySelector(selector);
function put(node, text) { if (node.textContent !== text) node.textContent = text; }

// The phone's own height, and how much of the window's is for what is around it.
const height = 844, around = 440, least = 0.6;
const settles = 300; // ms, until what the tab shows now is in the picture

const refused = {
  NotAllowedError: 'This tab may not be looked at. Press the button again and allow this tab; or paste a screenshot of the phone.',
  NotFoundError: 'This browser takes no pictures of a tab. Paste a screenshot of the phone instead.',
};

const fields = { surname: 'Surname', given: 'Given name', born: 'Born', personalId: 'Personal ID', card: 'Card', netid: 'NetID', email: 'Email' };

// phone returns what draws it; on a campus without a portal nothing does.
export function phone(page) {
  const box = $('#phone'), button = $('#phone-button');
  if (!box) return { draw: () => {}, toggle: () => {} };
  const frame = $('#phone-frame'), board = $('.board'), look = eye();
  const portal = box.dataset.portal;

  function toggle(on) {
    box.hidden = !on;
    board.classList.toggle('phoned', on);
    button.setAttribute('aria-expanded', String(on));
    if (!on) return look.end();
    size();
    if (!frame.hasAttribute('src')) start();
    $('#phone-title').focus();
  }
  // Cookies of the portal go to it in a frame only if this page has its name too.
  function start() {
    const host = new URL(portal).hostname, here = new URL(location.href);
    if (here.hostname === host) { frame.src = portal + '/'; return; }
    here.hostname = host;
    const note = $('#phone-elsewhere'), link = document.createElement('a');
    link.href = link.textContent = here.href;
    note.replaceChildren('Open this page at ', link, ' to have the phone here.');
    note.hidden = false;
    $('.handset').hidden = true;
  }
  function size() {
    const scale = Math.max(least, Math.min(1, (innerHeight - around) / height));
    document.documentElement.style.setProperty('--phone', scale.toFixed(3));
  }

  button.addEventListener('click', () => toggle(box.hidden));
  addEventListener('resize', size);
  $('#phone-home').addEventListener('click', () => { frame.src = portal + '/'; });
  $('#phone-hold').addEventListener('click', async e => {
    page.say('');
    const lane = page.chosen;
    e.currentTarget.disabled = true;
    try {
      page.picture(lane, await look.at($('.glass', box)));
    } catch (error) {
      page.say(refused[error.name] ?? error.message);
    }
    $('#phone-hold').disabled = false;
  });
  box.addEventListener('click', e => { const b = e.target.closest('[data-copy]'); if (b) copy(b, page); });
  $('#persona').addEventListener('change', be);
  be();
  return { toggle, draw: view => drawMail(view.mail) };
}

// be shows the card of who was chosen.
function be() {
  const one = $('#persona').selectedOptions[0], buttons = [];
  for (const [key, name] of Object.entries(fields)) {
    const value = one?.dataset[key];
    if (value) buttons.push(copier(name, value));
  }
  $('#persona-card').replaceChildren(...buttons);
}

// copier is a button that copies a text.
function copier(name, value) {
  const b = document.createElement('button'), what = document.createElement('span');
  what.className = 'soft small';
  what.textContent = name;
  b.dataset.copy = value;
  b.title = 'Copy';
  b.append(what, ' ', value);
  return b;
}

async function copy(b, page) {
  try {
    await navigator.clipboard.writeText(b.dataset.copy);
    for (const other of document.querySelectorAll('#phone .copied')) other.classList.remove('copied');
    b.classList.add('copied');
    b.title = 'Copied';
  } catch {
    page.say('The browser does not let this page copy. Select the text and copy it yourself.');
  }
}

let shown = null; // id of the mail
function drawMail(mail) {
  if (shown === (mail?.id ?? null)) return;
  shown = mail?.id ?? null;
  const place = $('#mail');
  if (!mail) { put(place, 'No mail yet.'); return; }
  const subject = document.createElement('a'), to = document.createElement('span');
  subject.href = mail.page;
  subject.target = '_blank';
  subject.rel = 'noopener';
  subject.textContent = mail.subject;
  to.className = 'soft small';
  to.textContent = 'to ' + mail.to;
  place.replaceChildren(subject, ' ', to);
  if (mail.code) place.append(copier('Code', mail.code));
  else if (mail.link) place.append(copier('Link', mail.link));
}

// eye takes pictures of this tab.
function eye() {
  const video = document.createElement('video'), canvas = document.createElement('canvas');
  let stream = null;
  video.muted = true;
  function end() {
    for (const t of stream?.getTracks() ?? []) t.stop();
    stream = video.srcObject = null;
  }
  async function open() {
    if (stream?.active) return;
    if (!navigator.mediaDevices?.getDisplayMedia) throw new DOMException('', 'NotFoundError');
    stream = await navigator.mediaDevices.getDisplayMedia({ video: { displaySurface: 'browser' }, audio: false, preferCurrentTab: true, selfBrowserSurface: 'include', surfaceSwitching: 'exclude' });
    const surface = stream.getVideoTracks()[0].getSettings().displaySurface;
    if (surface && surface !== 'browser') { end(); throw new Error('That is not this tab. Press the button again and choose this tab.'); }
    video.srcObject = stream;
    await video.play();
  }
  // at returns a picture of the part of the tab where a node is.
  async function at(node) {
    await open();
    node.scrollIntoView({ block: 'nearest' });
    await new Promise(done => setTimeout(done, settles));
    const box = node.getBoundingClientRect();
    const left = Math.max(0, box.left), top = Math.max(0, box.top), right = Math.min(innerWidth, box.right), bottom = Math.min(innerHeight, box.bottom);
    if (!video.videoWidth || right <= left || bottom <= top) throw new Error('The phone is not in sight. Scroll to it, then press the button again.');
    const x = video.videoWidth / innerWidth, y = video.videoHeight / innerHeight;
    [canvas.width, canvas.height] = [(right - left) * x, (bottom - top) * y];
    canvas.getContext('2d').drawImage(video, left * x, top * y, canvas.width, canvas.height, 0, 0, canvas.width, canvas.height);
    return new Promise(done => canvas.toBlob(done, 'image/png'));
  }
  return { at, end };
}
