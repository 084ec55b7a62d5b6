/** A moment on a clock that counts seconds since boot: nobody can set it, and it runs on while the machine sleeps. */
export interface Moment {
  boot_id: string;
  seconds: number;
}
