// Numbers, times and sizes as people read them.

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });

/** 1234567 as 1,234,567. */
export const count = (value) => (value === null || value === undefined ? "–" : plain.format(value));

/** A rate or another number that may be small or huge: 0, 0.4, 12.3, 1,234, 56.7 k, 1.2 M. */
export function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e9) return `${fine.format(value / 1e9)} G`;
  if (size >= 1e6) return `${fine.format(value / 1e6)} M`;
  if (size >= 10e3) return `${fine.format(value / 1e3)} k`;
  if (size >= 100 || Number.isInteger(value)) return plain.format(value);
  return fine.format(value);
}

/** A rate per second: 0, 0.4, 12.3, 1,234. */
export const rate = (value) => (value && value < 99.95 ? fine.format(value) : short(Math.round(value || 0)));

/** Bytes with a unit. */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let power = 0;
  let left = value;
  while (left >= 1024 && power < units.length - 1) {
    left /= 1024;
    power += 1;
  }
  return `${power && left < 100 ? fine.format(left) : plain.format(left)} ${units[power]}`;
}

/** A duration in ms: 0.4 ms, 12 ms, 3.4 s, 5 min, 2 h, 3 d. */
export function duration(ms) {
  if (ms === null || ms === undefined || ms < 0) return "–";
  if (ms < 10 && ms % 1) return `${fine.format(ms)} ms`;
  if (ms < 1000) return `${plain.format(ms)} ms`;
  if (ms < 60e3) return `${ms < 10e3 && ms % 1e3 ? fine.format(ms / 1e3) : plain.format(ms / 1e3)} s`;
  if (ms < 3600e3) return `${plain.format(Math.floor(ms / 60e3))} min`;
  if (ms < 86400e3) return `${plain.format(Math.floor(ms / 3600e3))} h`;
  return `${plain.format(Math.floor(ms / 86400e3))} d`;
}

/** A share of one. */
export const percent = (share) =>
  share === null || share === undefined ? "–" : `${share < 0.1 ? fine.format(share * 100) : plain.format(share * 100)} %`;

const two = (value) => String(value).padStart(2, "0");

/** A time of day, with ms if wanted. */
export function clock(ms, fraction = false) {
  const date = new Date(ms);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fraction ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** A date and time of day, without the date if it is today. */
export function when(ms, fraction = false) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "–";
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.toDateString() === new Date().toDateString() ? clock(ms, fraction) : `${day} ${clock(ms, fraction)}`;
}

/** How long ago. */
export function ago(ms, now = Date.now()) {
  if (!ms) return "–";
  const passed = Math.max(0, now - ms);
  return passed < 2000 ? "now" : `${duration(Math.floor(passed / 1000) * 1000)} ago`;
}

/** The time in an entry's ID, or null if it does not look like one. */
export function idTime(id) {
  const ms = Number(id.split("-")[0]);
  return ms > 946684800000 && ms < 32503680000000 ? ms : null;
}

/** 1 entry, 2 entries. */
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
