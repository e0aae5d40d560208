// Small things that all views use: elements, time, and what is said of a value.

/** An element: `el('button', { class: 'main', onclick }, 'text', child)`. Text is text, never markup. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes('-') && typeof value !== 'string') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The time of day, to the millisecond. */
export function clock(micros) {
  const at = new Date(micros / 1000);
  const two = (number) => String(number).padStart(2, '0');
  const ms = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

/** A length of time for eyes: `0.31 ms`, `812 ms`, `2.3 s`. */
export function span(micros) {
  if (micros < 9_950) return `${(micros / 1000).toFixed(2)} ms`;
  if (micros < 999_500) return `${Math.round(micros / 1000)} ms`;
  return `${(micros / 1e6).toFixed(1)} s`;
}

/** JSON to be read; what is none stays as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(typeof text === 'string' ? JSON.parse(text) : text, null, 2);
  } catch {
    return text;
  }
}

/** A text in which long strings are cut, for pictures and sound in replies. */
export function brief(value) {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'string' && inner.length > 300 ? `${inner.slice(0, 60)}… (${inner.length})` : inner, 2);
}
