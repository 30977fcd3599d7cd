/** Slots between the thread that receives and the worker that unpacks: 8 MiB, however large the layer. */
const SLOTS = 8;
const SLOT = 1024 * 1024;

/** Words of a slot's state. */
const FULL = 0;
const KIND = 1;
const LENGTH = 2;
const WORDS = 4;

const DATA = 0;
const END = 1;

/** The memory of a ring, to be handed to a worker. */
export interface RingMemory {
  readonly state: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

export function ringMemory(): RingMemory {
  return {
    state: new SharedArrayBuffer(SLOTS * WORDS * Int32Array.BYTES_PER_ELEMENT),
    bytes: new SharedArrayBuffer(SLOTS * SLOT),
  };
}

/** The receiving end of the network, the filling end of the ring. The reader says when a slot is free again. */
export class RingWriter {
  readonly #state: Int32Array;
  readonly #bytes: Uint8Array;
  #slot = 0;
  #filled = 0;
  #free: number = SLOTS;
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(memory: RingMemory) {
    this.#state = new Int32Array(memory.state);
    this.#bytes = new Uint8Array(memory.bytes);
  }

  /** A slot was read. */
  freed(): void {
    this.#free++;
    this.#wake?.();
  }

  /** Nobody reads any more: writing throws this error from now on. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      await this.#room();
      const take = Math.min(SLOT - this.#filled, chunk.length - at);
      this.#bytes.set(chunk.subarray(at, at + take), this.#slot * SLOT + this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled === SLOT) this.#publish(DATA);
    }
  }

  /** The current layer has no more bytes. */
  async end(): Promise<void> {
    if (this.#filled > 0) this.#publish(DATA);
    await this.#room();
    this.#publish(END);
  }

  #publish(kind: number): void {
    const at = this.#slot * WORDS;
    this.#state[at + KIND] = kind;
    this.#state[at + LENGTH] = this.#filled;
    Atomics.store(this.#state, at + FULL, 1);
    Atomics.notify(this.#state, at + FULL);
    this.#slot = (this.#slot + 1) % SLOTS;
    this.#filled = 0;
    this.#free--;
  }

  async #room(): Promise<void> {
    while (this.#free === 0 || this.#failure !== undefined) {
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** The worker's end. It blocks its thread. */
export class RingReader {
  readonly #state: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #freed: () => void;
  #slot = 0;

  constructor(memory: RingMemory, freed: () => void) {
    this.#state = new Int32Array(memory.state);
    this.#bytes = new Uint8Array(memory.bytes);
    this.#freed = freed;
  }

  /** Gives each piece of the current layer to `take`; the piece is only good until that returns. */
  readLayer(take: (piece: Uint8Array) => void): void {
    for (let kind = DATA; kind === DATA; ) {
      const at = this.#slot * WORDS;
      Atomics.wait(this.#state, at + FULL, 0);
      kind = this.#state[at + KIND] ?? END;
      const from = this.#slot * SLOT;
      if (kind === DATA) take(this.#bytes.subarray(from, from + (this.#state[at + LENGTH] ?? 0)));
      Atomics.store(this.#state, at + FULL, 0);
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#freed();
    }
  }
}
