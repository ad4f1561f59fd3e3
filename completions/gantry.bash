# SPDX-License-Identifier: Apache-2.0
# bash completion for gantry(1): the program itself says what may come next.
_gantry() {
	local cur=${COMP_WORDS[COMP_CWORD]} program=${BASH_ALIASES[$1]:-$1} line
	local names=()
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:files) mapfile -t names < <(compgen -f -- "$cur") ;;
		:folders) mapfile -t names < <(compgen -d -- "$cur") ;;
		*) COMPREPLY+=("${line%%$'\t'*}") ;;
		esac
	done < <($program --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	if ((${#names[@]} > 0)); then
		compopt -o filenames
		COMPREPLY+=("${names[@]}")
	fi
}
complete -F _gantry gantry
