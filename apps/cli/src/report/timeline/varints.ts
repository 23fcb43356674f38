/** Whole numbers up to 2^53 as bytes, seven bits each, the lowest first: small numbers take little room. */
export class VarintWriter {
  private bytes = new Uint8Array(1 << 12);
  private used = 0;

  /** @param value at least 0 */
  unsigned(value: number): void {
    if (this.used + 8 > this.bytes.length) this.grow();
    let rest = value;
    while (rest >= 128) {
      this.bytes[this.used++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.used++] = rest;
  }

  /** Signs alternate: 0, -1, 1, -2, 2 and so on. */
  signed(value: number): void {
    this.unsigned(value < 0 ? -2 * value - 1 : 2 * value);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }

  private grow(): void {
    const larger = new Uint8Array(2 * this.bytes.length);
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
