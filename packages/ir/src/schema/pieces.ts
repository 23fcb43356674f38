/**
 * What the schemas are made of: names, counts, amounts, records. Objects ignore fields they do not know (a newer
 * minor may have added them); everything they know is checked for type, range and size.
 */
import * as z from 'zod';
import { requirePlainData } from '../plain-data.js';

/** Longest name, and longest text for people. */
const NAME_LENGTH = 512;
const TEXT_LENGTH = 1 << 22;
/** Longest list of a header; longer things travel in sections. */
const LIST_LENGTH = 1 << 24;

export const name = z.string().min(1).max(NAME_LENGTH);
/** A name that may be missing. */
export const label = z.string().max(NAME_LENGTH);
export const text = z.string().max(TEXT_LENGTH);
/** SHA-256 in hex. */
export const hash = z.string().regex(/^[0-9a-f]{64}$/);
/** Integers are safe integers, numbers are finite. */
export const integer = z.int();
export const count = z.int().min(0);
export const positive = z.int().min(1);
export const amount = z.number().min(0);
export const positiveAmount = z.number().positive();

export function list<T extends z.ZodType>(item: T): z.ZodArray<T> {
  return z.array(item).max(LIST_LENGTH);
}

/** Fields with free names. Sorted, so that equal records are written as equal bytes. */
export function record<T extends z.ZodType>(value: T): z.ZodRecord<z.ZodString, T> {
  return z.record(z.string().max(NAME_LENGTH), value).overwrite(sortKeys);
}

/** Plain data of any form, keys sorted at every level. */
export const plainRecord = z
  .record(z.string().max(NAME_LENGTH), z.unknown())
  .superRefine((value, context) => {
    try {
      requirePlainData(value);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      context.addIssue({ code: 'custom', message, continue: false });
    }
  })
  .overwrite((value) => Object.fromEntries(sortedEntries(value, sortDeep)));

function sortKeys<T>(value: Record<string, T>): Record<string, T> {
  return Object.fromEntries(sortedEntries(value, (inner) => inner));
}

function sortedEntries<T>(value: Record<string, T>, map: (inner: T) => T): [string, T][] {
  const entries = Object.entries(value).map(([key, inner]): [string, T] => [key, map(inner)]);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

function sortDeep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortDeep);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(sortedEntries<unknown>({ ...value }, sortDeep));
}
