import { folderVariable } from '../../processes/members.js';

/**
 * Removes the folders of ended runs, except those that left processes behind: these stay until the processes are ended.
 * Input: a line for each. Prints `left FOLDER` for each that stays.
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

/** Lists the folders of runs below the folder of all runs, one `UUID/ATTEMPT` per line. $1 the folder. */
export const leftScript = `
cd "$1" 2>/dev/null || exit 0
for run in */*; do [ -d "$run" ] && echo "$run"; done
:
`;
