# SPDX-License-Identifier: Apache-2.0
# bash completion for gantry(1)
_gantry() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' word
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		init | check | run | reload | status | learn | explain | inspect | antivirus | media | quarantine | ca | user | audit | incident | record | revoke | deidentify | reidentify | sign | verify)
			verb=$word
			break
			;;
		esac
	done
	if [[ $prev == -c ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	if [[ $prev == --least ]]; then
		mapfile -t COMPREPLY < <(compgen -W "note warning danger" -- "$cur")
		return
	fi
	case $verb$prev in
	audit--kind) mapfile -t COMPREPLY < <(compgen -W "transfer query patient-shown alert login log-used import export start stop attached detached" -- "$cur") ;;
	audit--outcome) mapfile -t COMPREPLY < <(compgen -W "success minor serious major" -- "$cur") ;;
	audit--format) mapfile -t COMPREPLY < <(compgen -W "text json csv xml" -- "$cur") ;;
	*) _gantry_words ;;
	esac
}

# Options of the verb, and files where it takes some.
_gantry_words() {
	local words=
	case $verb in
	'') words="init check run reload status learn explain inspect antivirus media quarantine audit incident record deidentify reidentify sign verify revoke ca user --help --version" ;;
	audit) words="init search -c --patient --issuer --name --accession --study --user --node --address --certificate --certificate-issuer --kind --outcome --refusal --association --to --until --format --limit --journal --unrecorded --folder --origin --auditor --passphrase-file verify prove verify-proof leaves --key --cold --checkpoint --leaves --record --with-record --from --output --json --help" ;;
	incident) words="-c --key --passphrase-file --patient --issuer --name --accession --study --node --user --certificate --certificate-issuer --refusal --version --from --to --until --out --vkey --checkpoint --journal --cold --unrecorded --help" ;;
	record) words="sign verify init antivirus-definitions -c --vkey --help" ;;
	deidentify) words="--key --new-key --dates --retain --clean --clean-pixels --pixel-rules --clean-features --burned-in --documents --leftovers --manifest --originals-to --into-existing --isolate --jobs --json remove shift keep replace uids device institution patient safe-private descriptors structured-content graphics --help" ;;
	reidentify) words="--key --cert --passphrase-file --help" ;;
	sign) words="-c --key --cert --passphrase-file --profile --hash --tag --timestamp-query --timestamp-response --force base creator authorization SHA256 SHA384 SHA512 --help" ;;
	verify) words="-c --trust --crl --timestamp-trust --require --require-timestamp --json creator authorization report verified-report --help" ;;
	revoke) words="-c --reason --issuer --days --yes --renew --list --help" ;;
	ca) words="make sign list renew revoke crl delegate --by --use --days --reason --name --yes --json --help" ;;
	init) words="--try --help" ;;
	check) words="-c --defaults --json --help" ;;
	status) words="-c --json --watch --help" ;;
	learn) words="-c --whole --transfer-syntaxes --help" ;;
	explain) words="-c --json --help" ;;
	inspect) words="--json --quiet --least --jobs --seconds --antivirus --help" ;;
	media) words="import seal open --passphrase --passphrase-file --key --cert --key-passphrase-file --trust --crl --incomplete --udf --keep-compressed --keep-transfer-syntax --recorded --to --flow -c --note --yes --json --help" ;;
	quarantine) words="list show release delete -c --all --json --findings --export --reason --withdraw --yes --unrecorded --help" ;;
	antivirus) words="stage validate promote rollback status -c --vkey --help" ;;
	run | reload) words="-c --help" ;;
	user) words="set remove list --groups --help" ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	case $verb in
	init) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$cur") ;;
	check | learn | inspect | antivirus | media | quarantine | audit | incident | record | revoke | deidentify | reidentify | sign | verify | ca | user) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}
complete -o filenames -F _gantry gantry
