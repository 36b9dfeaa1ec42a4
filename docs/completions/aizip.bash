# bash completion for aizip, unaizip and aizcat

# The names of models: those in the model folder, and those that fetch knows.
_aizip_models() {
    local path folder=${AIZIP_MODELS:-${XDG_DATA_HOME:-$HOME/.local/share}/aizip/models}
    for path in "$folder"/*.gguf; do
        [[ -e $path ]] && basename "$path" .gguf
    done
}

# aizip model ...: the words so far are COMP_WORDS[2...].
_aizip_model() {
    local cur=${COMP_WORDS[COMP_CWORD]} words
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --sha256 | --name | --timeout) return ;;
    esac
    case $cur,$COMP_CWORD,${COMP_WORDS[2]} in
    -*) words=$(printf '%s\n' --accept-license --force --help --json --name= --quiet --sha256= \
        --timeout=) ;;
    *,2,*) words=$(printf '%s\n' fetch info list rm) ;;
    *,fetch) words=$(printf '%s\n' smollm2-135m gemma3-270m) ;;
    *,info | *,rm) words=$(_aizip_models) ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    if [[ ${COMP_WORDS[2]} == info && $COMP_CWORD -gt 2 && $cur != -* ]]; then
        compopt -o filenames
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
    fi
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}

# aizip score and rank: options, models and files.
_aizip_score() {
    local cur=${COMP_WORDS[COMP_CWORD]} words
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -m | --model)
        mapfile -t COMPREPLY < <(compgen -W "built-in"$'\n'"$(_aizip_models)" -- "$cur")
        compopt -o filenames
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --context | --stride | --start | -T | --threads | -M | --memlimit) return ;;
    --as)
        mapfile -t COMPREPLY < <(compgen -W archive -- "$cur")
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        words=$(printf '%s\n' -1 -2 -3 -4 -5 -6 -7 -8 -9 -m -q -r -T --context= --csv --help \
            --json --memlimit= --model= --quiet --recursive --start= --stride= --threads=)
        [[ ${COMP_WORDS[1]} == score ]] &&
            words+=$'\n'$(printf '%s\n' --as=archive --no-peers --perplexity)
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        return
    fi
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# aizip classify, nearest and ncd: options, words that they take, and files.
_aizip_classify() {
    local cur=${COMP_WORDS[COMP_CWORD]} words=
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --method) words='class cm counts knn' ;;
    -m | --model) words=cm' '$(_aizip_models) ;;
    --format) words='auto csv tsv jsonl fasttext lines folder idx' ;;
    --answers) words='tsv csv jsonl' ;;
    --compressor) words='gzip zlib deflate bz2 xz zstd brotli aizip' ;;
    --distance) words='ncd cdm clm conditional' ;;
    --order) words='test-first train-first' ;;
    --votes) words='lowest-k lowest-label distance' ;;
    --preset) words='seed npc-gzip' ;;
    --text | --cv | --reject | --text-columns | --label-column | --train-rows | --test-rows) return ;;
    --labels | --examples | --shots | --seed | --level | --separator | -k | -T | --threads | -M | --memlimit) return ;;
    esac
    if [[ $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${words// /$'\n'}" -- "$cur")
        return
    fi
    if [[ $cur == -* ]]; then
        words=$(printf '%s\n' -k -q -v -T --compressor= --distance= --help --json --level= --memlimit= \
            --quiet --separator= --threads= --verbose)
        [[ ${COMP_WORDS[1]} == ncd ]] && words+=$'\n'$(printf '%s\n' --csv --tree=)
        [[ ${COMP_WORDS[1]} != ncd ]] &&
            words+=$'\n'$(printf '%s\n' --dedupe --escapes --format= --header --label-column= --load= \
                --no-header --order= --preset= --seed= --shots= --text-columns= --text= --train-labels= \
                --train-rows= --train=)
        [[ ${COMP_WORDS[1]} == classify ]] &&
            words+=$'\n'$(printf '%s\n' --add= --answers= --cv= --examples= --explain -m --labels= --method= --model= --predictions= --proba \
                --reject= --remove= --report= --save= --test-labels= --test-rows= --test= --unlabelled --votes=)
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        return
    fi
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# aizip surprise: the same.
_aizip_surprise() {
    local cur=${COMP_WORDS[COMP_CWORD]} words
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -m | --model | --against)
        mapfile -t COMPREPLY < <(compgen -W "built-in"$'\n'"$(_aizip_models)" -- "$cur")
        compopt -o filenames
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --by)
        mapfile -t COMPREPLY < <(compgen -W $'byte\ntoken\nword\nline' -- "$cur")
        return
        ;;
    --lanes | --window | --overlap | --block-size | -T | --threads | -M | --memlimit) return ;;
    --prime)
        mapfile -t COMPREPLY < <(compgen -W $'auto\nprose\ncode\njson\nlogs\nmessages' -- "$cur")
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        words=$(printf '%s\n' -1 -2 -3 -4 -5 -6 -7 -8 -9 -D -m -q -T --against= --block-size= --by= --csv \
            --dictionary= --prime= --help --hex --html= --json --lanes= --memlimit= --model= --overlap= --png= --quiet \
            --threads= --window=)
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        return
    fi
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# aizip serve: options, models and classifiers.
_aizip_serve() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -m | --model)
        mapfile -t COMPREPLY < <(compgen -W "built-in"$'\n'"$(_aizip_models)" -- "$cur")
        compopt -o filenames
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
        ;;
    --classifier)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    --port | --address | --host | --max-size | --max-time | --max-jobs | -T | --threads | -M | --memlimit) ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' -1 -2 -3 -4 -5 -6 -7 -8 -9 -m -q -v -T --address= \
            --classifier= --help --host= --json --max-jobs= --max-size= --max-time= --memlimit= --model= --port= \
            --quiet --threads= --verbose)" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        ;;
    esac
}

# aizip sample: options, models and files.
_aizip_sample() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -m | --model) mapfile -t COMPREPLY < <(compgen -W "built-in"$'\n'"$(_aizip_models)" -- "$cur") ;;
    -D | --dictionary)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    --prime) mapfile -t COMPREPLY < <(compgen -W $'prose\ncode\njson\nlogs\nmessages' -- "$cur") ;;
    --compressor) mapfile -t COMPREPLY < <(compgen -W $'gzip\nxz\nzstd\ncm' -- "$cur") ;;
    *)
        [[ $cur == -* ]] || return
        mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' -1 -2 -3 -4 -5 -6 -7 -8 -9 -m -n -q -D -T --bytes= \
            --compressor= --context= --dictionary= --help --json --memlimit= --model= --prime= --prompt= --quiet \
            --seed= --temperature= --threads= --top-k= --top-p=)" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        ;;
    esac
}

# aizip text: options, alphabets and models.
_aizip_text() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -m | --model) mapfile -t COMPREPLY < <(compgen -W "built-in"$'\n'"$(_aizip_models)" -- "$cur") ;;
    -D | --dictionary)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    --alphabet) mapfile -t COMPREPLY < <(compgen -W $'unicode\nbase64\ngsm7' -- "$cur") ;;
    *)
        [[ $cur == -* ]] || return
        mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' -d -D -i -m -q -T --alphabet= --decode --dictionary= \
            --help --interactive --json --memlimit= --model= --quiet --remember --threads=)" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        ;;
    esac
}

# aizip train: options and files.
_aizip_train() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    --size | -T | --threads | -M | --memlimit) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' -1 -2 -3 -4 -5 -6 -7 -8 -9 -f -o -q -r -T --force \
            --help --json --memlimit= --output= --quiet --recursive --size= --threads=)" -- "$cur")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
        return
    fi
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_aizip() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local IFS=$'\n' file
    COMPREPLY=()
    if [[ ${COMP_WORDS[1]} == model && $COMP_CWORD -gt 1 && ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_model
        return
    fi
    if [[ ${COMP_WORDS[1]} == @(score|rank) && $COMP_CWORD -gt 1 &&
        ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_score
        return
    fi
    if [[ ${COMP_WORDS[1]} == surprise && $COMP_CWORD -gt 1 && ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_surprise
        return
    fi
    if [[ ${COMP_WORDS[1]} == serve && $COMP_CWORD -gt 1 && ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_serve
        return
    fi
    if [[ ${COMP_WORDS[1]} == sample && $COMP_CWORD -gt 1 && ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_sample
        return
    fi
    if [[ ${COMP_WORDS[1]} == text && $COMP_CWORD -gt 1 && ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_text
        return
    fi
    if [[ ${COMP_WORDS[1]} == train && $COMP_CWORD -gt 1 && ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_train
        return
    fi
    if [[ ${COMP_WORDS[1]} == @(classify|nearest|ncd) && $COMP_CWORD -gt 1 &&
        ${COMP_WORDS[0]##*/} == aizip ]]; then
        _aizip_classify
        return
    fi
    case $prev in
    -T | --threads | -M | --memlimit | --block-size | --lanes | --window | --overlap) return ;;
    --prime)
        mapfile -t COMPREPLY < <(compgen -W $'auto\nprose\ncode\njson\nlogs\nmessages' -- "$cur")
        return
        ;;
    esac
    case $cur in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' -1 -2 -3 -4 -5 -6 -7 -8 -9 -c -d -D -f -h \
            -i -k -l -m -o -q -r -t -v -T --base64 --block-size= --compress --decompress --dictionary= --force --help --json \
            --interactive --keep --lanes= --list --memlimit= --model= --no-verify --output= --overlap= --patch-from= --prime= --quiet --recursive --rm --salvage \
            --stdout --test --threads= --verbose --verify --version --window=)" -- "$cur")
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
