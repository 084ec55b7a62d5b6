export interface Finding {
  check: string;
  state: 'ok' | 'note' | 'wrong';
  detail: string;
  /** How to fix it. */
  mend?: string;
}
