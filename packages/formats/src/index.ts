/** `@bitloom/formats`: what a bit pattern means, and every transform between layouts. */
export * from './fp16.js';
