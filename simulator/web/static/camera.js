// The webcam as a lane's scanner: its frames are looked at by the simulator.
import { scanPicture } from './live.js';

const between = 350, afterwards = 3000; // ms from one frame to the next, and after a code was read
const maxSide = 1280;

const refused = {
  NotAllowedError: 'The camera was refused. Allow it for this page beside the address, then try again; or scan a picture instead.',
  NotFoundError: 'There is no camera. Plug one in and try again, or scan a picture instead.',
  NotReadableError: 'The camera is used by another program. Close that, then try again; or scan a picture instead.',
};

// camera returns what opens it for the chosen lane.
export function camera(page) {
  const dialog = document.getElementById('camera-dialog'), video = document.getElementById('camera-video'), say = document.getElementById('camera-say');
  const canvas = document.createElement('canvas');
  let stream = null, timer = 0, lane = '';
  const tell = text => { if (say.textContent !== text) say.textContent = text; };

  async function look() {
    if (!stream) return;
    let pause = between;
    if (video.videoWidth) {
      const scale = Math.min(1, maxSide / Math.max(video.videoWidth, video.videoHeight));
      [canvas.width, canvas.height] = [video.videoWidth * scale, video.videoHeight * scale];
      canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
      const frame = await new Promise(done => canvas.toBlob(done, 'image/jpeg', 0.85));
      const { ok, error } = await scanPicture(lane, frame);
      if (ok) { tell('Scanned. Look at the lane.'); pause = afterwards; } else if (/no readable/.test(error)) tell('Looking for a code …'); else tell(error);
    }
    if (stream) timer = setTimeout(look, pause);
  }
  function stop() {
    clearTimeout(timer);
    for (const t of stream?.getTracks() ?? []) t.stop();
    stream = video.srcObject = null;
  }
  dialog.addEventListener('close', stop);
  return async () => {
    lane = page.chosen;
    document.getElementById('camera-lane').textContent = page.lane().name;
    tell('Asking for the camera …');
    dialog.showModal();
    try {
      if (!navigator.mediaDevices) throw new DOMException('', 'NotFoundError');
      const got = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1280 } } });
      if (!dialog.open) { for (const t of got.getTracks()) t.stop(); return; }
      stream = got;
    } catch (e) {
      tell(refused[e.name] ?? `The camera does not work: ${e.message || e.name}. Scan a picture instead.`);
      return;
    }
    video.srcObject = stream;
    await video.play();
    tell('Looking for a code …');
    look();
  };
}
