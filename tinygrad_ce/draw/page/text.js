// Numbers and arrays in words.

const SYMBOLS = { add: "+", subtract: "−", multiply: "×", divide: "÷", matmul: "@", power: "**", negative: "−x" };

function number(x) {
  if (x === null || x === undefined) return "…";
  if (Array.isArray(x)) return `${number(x[0])}${Number(x[1]) < 0 ? "−" : "+"}${number(Math.abs(Number(x[1])))}j`;
  if (typeof x === "boolean") return x ? "True" : "False";
  const value = Number(x);
  if (!Number.isFinite(value)) return String(x).replace("Infinity", "inf").replace("NaN", "nan");
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const text = size >= 1e-4 && size < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(3).replace(/\.?0+e/, "e");
  return text.replace("e+", "e").replaceAll("-", "−");
}

function shape(s) {
  if (!s) return "";
  const dims = s.shape.length ? (s.shape.length === 1 ? `(${s.shape[0]},)` : `(${s.shape.join(", ")})`) : "";
  return [dims, s.dtype === "float64" ? "" : s.dtype].filter(Boolean).join(" ");
}

// An array in one short line.
function brief(s) {
  if (!s) return "—";
  if (s.values) return s.values.length ? s.values.map(number).join(", ") : "empty";
  if (s.low === null || s.low === undefined) {
    if (s.mean !== null && s.mean !== undefined) return `mean ${number(s.mean)}`;
    const lost = [s.nans && `${s.nans} nan`, s.infs && `${s.infs} inf`].filter(Boolean);
    return lost.join(", ") || "…";
  }
  const lost = [s.nans && `${s.nans} nan`, s.infs && `${s.infs} inf`].filter(Boolean);
  const range = s.low === s.high ? `all ${number(s.low)}` : `${number(s.low)} … ${number(s.high)}`;
  return [range, ...lost].join(", ");
}

function clip(text, width) {
  const glyphs = [...text.slice(0, 4 * width)];
  return glyphs.length <= width ? text.slice(0, 4 * width) : `${glyphs.slice(0, width - 1).join("")}…`;
}

function oneLine(text) {
  return text.slice(0, 400).replace(/\s+/g, " ").trim();
}

// What a node is called.
function called(thing) {
  if (thing.kind === "op") return thing.op;
  if (thing.kind === "module" || thing.kind === "group") return thing.name;
  if (thing.label) return oneLine(thing.label);
  if (thing.role === "constant") return "constant";
  return thing.result ? "result" : thing.made ? `result of ${thing.made}` : thing.id;
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}
