# What zsh would offer: complete.zsh SCRIPT LINE. A real interactive zsh in a pseudo-terminal
# completes the line; what it would have shown is printed between the lines BEGIN and END.
zmodload zsh/zpty || exit 3
zpty child zsh -f -i
zpty -w child "module_path=($module_path) fpath=($fpath) PROMPT= RPROMPT="
zpty -w child "source ${(q)0:h}/complete-child.zsh"
zpty -w child "source ${(q)1}; print READY"
line=''
until [[ $line == READY$'\r\n' ]]; do zpty -r child line || exit 3; done
zpty -w -n child "$2"$'\t'
shown=0
while zpty -r child line; do
  line=${line%$'\r\n'}
  if [[ $line == END ]]; then break; fi
  if ((shown)); then print -r -- "$line"; fi
  if [[ $line == *BEGIN ]]; then shown=1; fi
done
zpty -d child
