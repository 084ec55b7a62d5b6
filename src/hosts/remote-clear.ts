import { jobVariable } from './members.js';

/**
 * Removes the folders of runs that have ended, and names those that left processes behind: these stay until the
 * processes are ended. Input: a line for each, `UUID FOLDER`. Says `left FOLDER` for each that stays.
 */
export const clearScript = `
export LC_ALL=C
while read -r uuid folder; do
  if [ -e /proc/self/stat ] && grep -q "${jobVariable}=$uuid" /proc/[0-9]*/environ 2>/dev/null
  then echo "left $folder"
  else
    rm -rf "$folder"
    rmdir "\${folder%/*}" 2>/dev/null
  fi
done
:
`;
