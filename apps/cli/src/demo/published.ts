/** Figures that others published, to stand beside ours. None of them is ours; what one card was fitted on it says itself. */

export interface PublishedFigure {
  /** Model of the zoo. */
  readonly model: string;
  /** Names of the cards it may stand beside. */
  readonly devices: readonly string[];
  /** What it is and how it came about. */
  readonly what: string;
  readonly source: string;
  readonly decodeSeconds?: number;
  readonly tokensPerSecond: number;
  readonly prefillSeconds?: number;
}

const PUBLISHED: readonly PublishedFigure[] = [
  {
    model: 'llama2-7b',
    devices: ['u280', 'u280-bitloom', 'u280-flightllm'],
    what: 'FlightLLM on a U280 board, one decode step at KV 128, measured by others',
    source: 'design: arXiv 2401.03868; weights of 4 bits in groups of 128, 3.43 GB',
    decodeSeconds: 17.5e-3,
    tokensPerSecond: 57.1,
  },
  {
    model: 'llama2-7b',
    devices: ['vhk158', 'vhk158-flightllm'],
    what: 'FlightLLM on a VHK158, prompt 128 and 512 decoded, simulated by its authors',
    source: 'arXiv 2401.03868',
    tokensPerSecond: 103.5,
    prefillSeconds: 289.9e-3,
  },
];

/** What was published for a model on a card. */
export function publishedFor(model: string, device: string): readonly PublishedFigure[] {
  return PUBLISHED.filter((figure) => figure.model === model && figure.devices.includes(device));
}

/** Cards that carry the published configuration, by other uses of the same board. */
export const PUBLISHED_CONFIGURATION: Readonly<Record<string, string>> = {
  u280: 'u280-flightllm',
  'u280-bitloom': 'u280-flightllm',
  vhk158: 'vhk158-flightllm',
};
