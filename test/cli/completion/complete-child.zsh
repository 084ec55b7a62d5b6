# Sent to the zsh in the pseudo-terminal: Tab prints what would be offered, and inserts nothing.
autoload -Uz compinit && compinit -D -u
stty -echo
compadd() {
  local -a found
  local each
  # Calls that only ask which words match (-O, -A, -D) offer nothing.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
  builtin compadd -A found "$@"
  for each in $found; do print -r -- "$each"; done
  builtin compadd "$@"
}
finish() { compstate[insert]=''; compstate[list]=''; print END }
show() { comppostfuncs=(finish); print BEGIN; _main_complete }
zle -C show complete-word show
bindkey '^I' show
