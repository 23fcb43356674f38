/**
 * Artefacts as files. Every write goes to a temporary file and is renamed; every read checks what it reads.
 */
import {
  deviceFromContainer,
  deviceToContainer,
  modelFromContainer,
  modelToContainer,
  programFromContainer,
  programToContainer,
  reportFromContainer,
  reportToContainer,
  traceFromContainer,
  traceToContainer,
} from '../container/artefacts.js';
import type { ContainerReader } from '../container/container-reader.js';
import type { Device } from '../device/device.js';
import type { ModelBundle } from '../model/graph.js';
import type { Program } from '../program/program.js';
import type { Report } from '../report/report.js';
import type { Trace } from '../report/trace.js';
import { openContainer, writeContainer } from './file-container.js';

/** A model whose sections are read from its file when they are asked for. Close it when done. */
export interface FileModel extends ModelBundle {
  close(): void;
}

/**
 * Writes a model with the sections its constants name, a chunk at a time.
 *
 * @returns length of the file in bytes; likewise the other writers
 * @throws BitloomError `artefact-invalid`, `section-missing`, `write-failed`
 */
export function writeModel(path: string, bundle: ModelBundle): number {
  return writeContainer(path, modelToContainer(bundle));
}

/**
 * Opens a model. Its header is read at once, its sections on demand.
 *
 * @throws BitloomError `read-failed`, the `container-*` codes, `artefact-invalid`
 */
export function readModel(path: string): FileModel {
  const container = openContainer(path);
  try {
    return { ...modelFromContainer(container), close: container.close };
  } catch (error) {
    container.close();
    throw error;
  }
}

/** @throws BitloomError `artefact-invalid`, the codes of `encodeStream`, `write-failed` */
export function writeProgram(path: string, program: Program): number {
  return writeContainer(path, programToContainer(program));
}

/** @throws BitloomError `read-failed`, the `container-*` codes, `artefact-invalid`, the codes of `decodeStream` */
export function readProgram(path: string): Program {
  return readWhole(path, programFromContainer);
}

/** @throws BitloomError `artefact-invalid`, `write-failed` */
export function writeDevice(path: string, device: Device): number {
  return writeContainer(path, deviceToContainer(device));
}

/** @throws BitloomError `read-failed`, the `container-*` codes, `artefact-invalid` */
export function readDevice(path: string): Device {
  return readWhole(path, deviceFromContainer);
}

/** @throws BitloomError `artefact-invalid`, `write-failed` */
export function writeReport(path: string, report: Report): number {
  return writeContainer(path, reportToContainer(report));
}

/** @throws BitloomError `read-failed`, the `container-*` codes, `artefact-invalid` */
export function readReport(path: string): Report {
  return readWhole(path, reportFromContainer);
}

/** @throws BitloomError `artefact-invalid`, `write-failed` */
export function writeTrace(path: string, trace: Trace): number {
  return writeContainer(path, traceToContainer(trace));
}

/** @throws BitloomError `read-failed`, the `container-*` codes, `artefact-invalid` */
export function readTrace(path: string): Trace {
  return readWhole(path, traceFromContainer);
}

function readWhole<T>(path: string, read: (container: ContainerReader) => T): T {
  const container = openContainer(path);
  try {
    return read(container);
  } finally {
    container.close();
  }
}
