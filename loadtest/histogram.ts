/** Bucket by bucket, those that hold something: what travels between processes. */
export type HistogramData = [bucket: number, count: number][];

/** Each bucket is so much wider than the one before: the precision of a quantile. */
const STEP = Math.log(1.01);
/** The smallest time that is told apart from nothing, in milliseconds. */
const LEAST = 0.001;
/** Up to about an hour. */
const BUCKETS = 2200;

/** Times in milliseconds, of which quantiles to 1 % are wanted; of any number, in the same memory. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(milliseconds: number, times = 1): void {
    const bucket = milliseconds <= LEAST ? 0 : Math.ceil(Math.log(milliseconds / LEAST) / STEP);
    this.#put(Math.min(bucket, BUCKETS - 1), times);
  }

  merge(data: HistogramData): void {
    for (const [bucket, count] of data) this.#put(bucket, count);
  }

  /** @param q 0.5 for the median, 1 for the largest. NaN if there is nothing in it. */
  quantile(q: number): number {
    let rank = Math.max(1, Math.ceil(q * this.#size));
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      rank -= this.#counts[bucket] ?? 0;
      if (rank <= 0) return LEAST * Math.exp(bucket * STEP);
    }
    return Number.NaN;
  }

  toData(): HistogramData {
    return [...this.#counts].flatMap((count, bucket): HistogramData => (count > 0 ? [[bucket, count]] : []));
  }

  #put(bucket: number, count: number): void {
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.#size += count;
  }
}
