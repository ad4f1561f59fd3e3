# SPDX-License-Identifier: Apache-2.0
# fish completion for gantry(1): the program itself says what may come next.
function __gantry_offered
	set -l begun (commandline -ct)
	set -l words (commandline -opc)
	for line in ($words[1] --complete $words[2..-1] "$begun" 2>/dev/null)
		switch $line
			case ':files'
				__fish_complete_path "$begun"
			case ':folders'
				__fish_complete_directories "$begun" ''
			case '*'
				echo $line
		end
	end
end
complete -c gantry -f -a '(__gantry_offered)'
