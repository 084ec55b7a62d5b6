import { folderVariable } from '../../processes/members.js';

/**
 * Removes the folders of runs that have ended, and names those that left processes behind: these stay until the
 * processes are ended. Input: a line for each. Says `left FOLDER` for each that stays.
 */
export const clearScript = `
export LC_ALL=C
while read -r folder; do
  if [ -e /proc/self/stat ] && grep -q -F -e "${folderVariable}=$folder/" /proc/[0-9]*/environ 2>/dev/null
  then echo "left $folder"
  else
    rm -rf "$folder"
    rmdir "\${folder%/*}" 2>/dev/null
  fi
done
:
`;

/** Names what runs have left below the folder of all of them, `UUID/ATTEMPT` a line. $1 the folder. */
export const leftScript = `
cd "$1" 2>/dev/null || exit 0
for run in */*; do [ -d "$run" ] && echo "$run"; done
:
`;
