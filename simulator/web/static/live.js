// What pages and a campus say to each other.

// Where web.Live is mounted for the simulator's own campus.
export const home = '/live/';

// watch calls draw with the newest campus.View at each change, and lost when the
// simulator does not answer any more. It returns a function that ends it.
export function watch(draw, { live = home, lost = () => {} } = {}) {
  const source = new EventSource(live + 'events');
  source.onmessage = e => draw(JSON.parse(e.data));
  source.onerror = () => lost();
  return () => source.close();
}

// post sends a deed and returns {ok, error}; error is for a person.
async function post(path, body) {
  try {
    const answer = await fetch(path, { method: 'POST', body });
    if (answer.ok) return await answer.json();
    return { ok: false, error: await answer.text() };
  } catch {
    return { ok: false, error: 'the simulator does not answer; look whether it still runs' };
  }
}

// act does one line, such as 'scan north student'.
export const act = (line, live = home) => post(live + 'do', line);

// scanPicture scans the symbol in a picture (a Blob) at a lane.
export const scanPicture = (lane, picture, live = home) => post(live + 'picture?lane=' + encodeURIComponent(lane), picture);

// symbolURL is the address of the SVG that a holder's phone shows; which is 'shot',
// 'forged' or '', version is Pass.symbol: the picture changes with it.
export const symbolURL = (name, which = '', version = '', live = home) =>
  `${live}symbol?name=${encodeURIComponent(which ? name + ' ' + which : name)}&v=${encodeURIComponent(version)}`;

// quote is a word as it stands in a line.
export const quote = word => /^[^\s"=#]+$/u.test(word) ? word : '"' + word.replace(/[\\"]/g, '\\$&') + '"';
