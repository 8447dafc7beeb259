#!/bin/sh
# Checks what the Makefile cannot install itself. Where it is missing or too old, one line on standard error
# names what to install, and the exit status is 1.
#
#   check_prerequisites.sh python [COMMAND]   print the command of a Python that will do (COMMAND alone is tried)
#   check_prerequisites.sh java               print nothing
set -u

fail() {
    echo "$*" >&2
    exit 1
}

# The command that installs packages: $1 on Debian and Ubuntu, $2 on Fedora and its kin, $3 with Homebrew.
install_command() {
    if [ -e /etc/debian_version ]; then
        echo "sudo apt-get install $1"
    elif [ -e /etc/redhat-release ]; then
        echo "sudo dnf install $2"
    elif [ "$(uname -s)" = Darwin ]; then
        echo "brew install $3"
    else
        echo "install it with the system's package manager"
    fi
}

# The first of these Debian packages that this release has, or else the first.
first_known_to_apt() {
    for package do
        if apt-cache show "$package" >/dev/null 2>&1; then
            echo "$package"
            return
        fi
    done
    echo "$1"
}

# Prints the version, such as 3.11. A command that exists may still not run (a pyenv shim), so it is run.
python_version() {
    "$1" -c 'import sys; sys.stdout.write("%d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null </dev/null
}

# Debian keeps ensurepip, without which venv makes no environment, in a package of its own.
can_make_environments() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null </dev/null
}

find_python() {
    requested=${1:-}
    if [ -n "$requested" ]; then
        set -- "$requested"
    else
        set -- python3 python3.13 python3.12 python3.11 python3.10
    fi

    too_old=
    without_venv=
    for candidate do
        version=$(python_version "$candidate") || continue
        if ! is_new_enough "$candidate"; then
            too_old=${too_old:-"$candidate is $version"}
        elif ! can_make_environments "$candidate"; then
            without_venv=${without_venv:-$version}
        else
            echo "$candidate"
            return
        fi
    done

    if [ -n "$without_venv" ]; then
        fail "lakepredict needs Python's venv module, which Python $without_venv lacks here:" \
            "$(install_command "python$without_venv-venv" python3 "python@$without_venv")"
    elif [ -n "$too_old" ]; then
        venv_package=$(first_known_to_apt python3.13-venv python3.12-venv python3.11-venv python3.10-venv)
        fail "lakepredict needs Python 3.10 or newer, and $too_old:" \
            "$(install_command "${venv_package%-venv} $venv_package" python3.12 python@3.12)"
    else
        fail "lakepredict needs Python 3.10 or newer, and there is no working ${requested:-python3}:" \
            "$(install_command "python3 python3-venv" python3 python@3.12)"
    fi
}

# Spark takes the same Java: JAVA_HOME's where that is set, else the first on PATH.
check_java() {
    where=${JAVA_HOME:+JAVA_HOME=$JAVA_HOME}
    where=${where:-PATH}
    if output=$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 </dev/null); then
        version=${output#*version \"}
        version=${version%%\"*}
        major=${version#1.} # Java 8 calls itself 1.8
        major=${major%%[!0-9]*}
        [ "${major:-0}" -lt 17 ] || return 0
        problem="the one in $where is too old ($version)"
    else
        problem="there is none in $where"
    fi

    package=$(first_known_to_apt openjdk-17-jre-headless openjdk-21-jre-headless)
    hint=$(install_command "$package" java-21-openjdk-headless openjdk@17)
    if [ "$(uname -s)" = Darwin ]; then # Homebrew leaves this formula out of PATH
        hint="$hint"' && export JAVA_HOME="$(brew --prefix openjdk@17)/libexec/openjdk.jdk/Contents/Home"'
    elif [ -n "${JAVA_HOME:-}" ]; then
        hint="$hint, and unset JAVA_HOME"
    fi
    fail "lakepredict needs Java 17 or 21, and $problem: $hint"
}

case "${1:-}" in
    python) find_python "${2:-}" ;;
    java) check_java ;;
    *) fail "usage: check_prerequisites.sh python [COMMAND] | java" ;;
esac
