# What bash would offer: complete.bash SCRIPT WORD...; the last word is the one being typed.
# Bash splits words at = and : before it calls a completion function, so this does too.
source "$1"
shift
COMP_WORDS=()
for word in "$@"; do
  if [[ $word == -*=* ]]; then
    COMP_WORDS+=("${word%%=*}" '=')
    [[ ${word#*=} != '' ]] && COMP_WORDS+=("${word#*=}")
  else
    COMP_WORDS+=("$word")
  fi
done
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function_name=$(complete -p penstock)
function_name=${function_name#*-F }
"${function_name%% *}" 2>&1
printf '%s\n' "${COMPREPLY[@]}"
