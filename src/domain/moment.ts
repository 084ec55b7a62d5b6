/** A moment by a clock that counts since a machine's boot, in seconds: nobody can set it, and it goes on while the machine sleeps. */
export interface Moment {
  boot_id: string;
  seconds: number;
}
