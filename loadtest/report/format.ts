/** Numbers as people read them; the same in terminal and page. */

const NOT_KNOWN = "–";

/** 12,345; one decimal below 10. */
export function amount(value: number | null): string {
  if (value === null || Number.isNaN(value)) return NOT_KNOWN;
  const digits = value !== 0 && Math.abs(value) < 10 && !Number.isInteger(value) ? 1 : 0;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Milliseconds: 20 µs, 0.4 ms, 12 ms, 1.2 s. */
export function time(ms: number | null): string {
  if (ms === null || Number.isNaN(ms)) return NOT_KNOWN;
  if (ms > 0 && ms < 0.1) return `${(ms * 1000).toFixed(ms < 0.01 ? 1 : 0)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(1)} s`;
}

/** A round number of milliseconds at an axis: 0 ms, 0.5 ms, 3 ms, 1.5 s. */
export function timeTick(ms: number): string {
  if (ms > 0 && ms < 0.1) return `${Number((ms * 1000).toPrecision(2))} µs`;
  return ms < 1000 ? `${Number(ms.toPrecision(3))} ms` : `${Number((ms / 1000).toPrecision(3))} s`;
}

export function seconds(value: number): string {
  return `${value < 10 ? Number(value.toFixed(1)) : value.toFixed(0)} s`;
}

/** A share: 84 %. */
export function percent(share: number | null): string {
  return share === null || Number.isNaN(share) ? NOT_KNOWN : `${Math.round(share * 100)} %`;
}

/** Bytes: 512 B, 1.5 MiB. */
export function bytes(value: number | null): string {
  if (value === null || Number.isNaN(value)) return NOT_KNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let [size, unit] = [value, 0];
  while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1];
  return `${size < 10 && unit > 0 ? size.toFixed(1) : size.toFixed(0)} ${units[unit]}`;
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${amount(value)} ${value === 1 ? one : many}`;
}
