interface Entry<T> {
  readonly due: number;
  readonly item: T;
}

/** Things by deadline, the earliest first: a binary heap, so that ten thousand waiting groups cost nothing. */
export class DeadlineHeap<T> {
  readonly #heap: Entry<T>[] = [];

  get first(): Entry<T> | undefined {
    return this.#heap[0];
  }

  push(due: number, item: T): void {
    const heap = this.#heap;
    const entry = { due, item };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry<T>;
      if (above.due <= due) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  pop(): Entry<T> | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as Entry<T>).due < (heap[child] as Entry<T>).due) child += 1;
      if ((heap[child] as Entry<T>).due >= last.due) break;
      heap[at] = heap[child] as Entry<T>;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
