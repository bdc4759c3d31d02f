rule soliloquy {
	meta:
		description = "A question"
		score = 50
	strings:
		$a = "to be" nocase
	condition:
		#a > 1 and filename endswith ".txt"
}
