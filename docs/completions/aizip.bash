# bash completion for aizip, unaizip and aizcat

_aizip() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local IFS=$'\n' file
    COMPREPLY=()
    case $prev in
    -T | --threads | -M | --memlimit | --block-size) return ;;
    esac
    case $cur in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' -1 -2 -3 -4 -5 -6 -7 -8 -9 -c -d -f -h \
            -k -l -o -q -r -t -v -T --block-size= --compress --decompress --force --help --json \
            --keep --list --memlimit= --no-verify --output= --quiet --recursive --rm --salvage \
            --stdout --test --threads= --verbose --verify --version)" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        return
        ;;
    esac
    compopt -o filenames
    # Archives only, where only archives make sense.
    local only=
    [[ ${COMP_WORDS[0]##*/} == @(unaizip|aizcat) ]] && only=1
    local word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == @(--decompress|--uncompress|--test|--list) || $word == -[!-]*([!-])[dtl]* ||
            $word == -[dtl]* ]] && only=1
    done
    while read -r file; do
        [[ -z $only || -d $file || $file == *.aiz ]] && COMPREPLY+=("$file")
    done < <(compgen -f -- "$cur")
}

complete -F _aizip aizip unaizip aizcat
