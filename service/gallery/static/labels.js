// What labels look like over an image, and which of them a choice of overlays takes.

/** Overlays by name: what the button says, and how pixels change. */
export const OVERLAYS = {
  borders: { title: "Borders", label: "borders" },
  cells: { title: "Cells", label: "instances" },
  guttae: { title: "Guttae", label: "guttae" },
  visible: { title: "What can be seen", label: "visible" },
};

const BORDER = [255, 212, 0];
const GUTTA = [230, 60, 170];
const UNSEEN = [60, 120, 255];
const CELL_SHARE = 0.3;
const TINT_SHARE = 0.45;
const HUES = 12;

const COLOURS = Array.from({ length: HUES }, (_, at) => {
  const wave = (shift) => Math.round(127.5 + 127.5 * Math.cos(2 * Math.PI * (at / HUES + shift)));
  return [wave(0), wave(-1 / 3), wave(1 / 3)];
});

let sheet = new ImageData(1, 1);

/** Return the labels that overlays need, of those that a model has. */
export function labelsFor(overlays, offered) {
  const wanted = overlays.map((name) => OVERLAYS[name]?.label);
  return offered.filter((label) => wanted.includes(label));
}

/**
 * Draw a sample.
 * @param {HTMLCanvasElement} canvas it gets the size of the sample
 * @param {Sample} sample
 * @param {string[]} overlays names; those that the sample has no label for are passed over
 */
export function paint(canvas, sample, overlays) {
  const { width, height, image } = sample;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  // One for all: else thousands of images leave more behind than is cleared away in time.
  if (sheet.width !== width || sheet.height !== height) sheet = new ImageData(width, height);
  const pixels = sheet.data;
  for (let at = 0; at < image.length; at += 1) {
    pixels[4 * at] = pixels[4 * at + 1] = pixels[4 * at + 2] = image[at];
    pixels[4 * at + 3] = 255;
  }
  const shown = (name) => (overlays.includes(name) ? sample[OVERLAYS[name].label] : undefined);
  tint(pixels, shown("visible"), (value) => (value ? null : UNSEEN), TINT_SHARE);
  // Neighbours have numbers that are close: every fifth colour keeps them apart.
  tint(pixels, shown("cells"), (value) => (value ? COLOURS[(value * 5) % HUES] : null), CELL_SHARE);
  tint(pixels, shown("guttae"), (value) => (value ? GUTTA : null), TINT_SHARE);
  tint(pixels, shown("borders"), (value) => (value ? BORDER : null), 1);
  canvas.getContext("2d").putImageData(sheet, 0, 0);
}

function tint(pixels, label, colourOf, share) {
  if (label === undefined) return;
  for (let at = 0; at < label.length; at += 1) {
    const colour = colourOf(label[at]);
    if (colour === null) continue;
    for (let band = 0; band < 3; band += 1) {
      pixels[4 * at + band] += (colour[band] - pixels[4 * at + band]) * share;
    }
  }
}
