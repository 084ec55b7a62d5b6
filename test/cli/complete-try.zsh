module_path=(/tmp/zshdeb/root/usr/lib/x86_64-linux-gnu/zsh/5.9) fpath=(/tmp/zshdeb/root/usr/share/zsh/functions/Calendar /tmp/zshdeb/root/usr/share/zsh/functions/Chpwd /tmp/zshdeb/root/usr/share/zsh/functions/Completion /tmp/zshdeb/root/usr/share/zsh/functions/Completion/AIX /tmp/zshdeb/root/usr/share/zsh/functions/Completion/BSD /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Base /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Cygwin /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Darwin /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Debian /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Linux /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Mandriva /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Redhat /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Solaris /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Unix /tmp/zshdeb/root/usr/share/zsh/functions/Completion/X /tmp/zshdeb/root/usr/share/zsh/functions/Completion/Zsh /tmp/zshdeb/root/usr/share/zsh/functions/Completion/bashcompinit /tmp/zshdeb/root/usr/share/zsh/functions/Completion/compaudit /tmp/zshdeb/root/usr/share/zsh/functions/Completion/compdump /tmp/zshdeb/root/usr/share/zsh/functions/Completion/compinit /tmp/zshdeb/root/usr/share/zsh/functions/Completion/compinstall /tmp/zshdeb/root/usr/share/zsh/functions/Completion/openSUSE /tmp/zshdeb/root/usr/share/zsh/functions/Exceptions /tmp/zshdeb/root/usr/share/zsh/functions/MIME /tmp/zshdeb/root/usr/share/zsh/functions/Math /tmp/zshdeb/root/usr/share/zsh/functions/Misc /tmp/zshdeb/root/usr/share/zsh/functions/Newuser /tmp/zshdeb/root/usr/share/zsh/functions/Prompts /tmp/zshdeb/root/usr/share/zsh/functions/TCP /tmp/zshdeb/root/usr/share/zsh/functions/VCS_Info /tmp/zshdeb/root/usr/share/zsh/functions/Zftp /tmp/zshdeb/root/usr/share/zsh/functions/Zle )
# What zsh would offer: complete.zsh SCRIPT LINE. A real interactive zsh in a pseudo-terminal
# completes the line; what it would have shown is printed between the lines BEGIN and END.
zmodload zsh/zpty || exit 3
zpty child zsh -f -i
zpty -w child "module_path=($module_path) fpath=($fpath) PROMPT= RPROMPT="
zpty -w child "$(<${0:h}/complete-child.zsh)"
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
