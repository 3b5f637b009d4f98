// Runs the Kotlin recipe until the end of its input, and prints each event on a
// line. The cursor is stored in a file.
//
// The recipe is for OkHttp 4 and 5, where the code of a response is a property.
// Debian has OkHttp 3, where it is a method.

import java.io.File
import kotlin.system.exitProcess
import okhttp3.Response

val Response.code: Int get() = code()

fun main(args: Array<String>) {
    val (url, cursorFile, signCommand) = args
    val file = File(cursorFile)
    val say = { line: String -> synchronized(file) { println(line); System.out.flush() } }
    val bell = Bellhop(
        url,
        token = { fresh ->
            say("token fresh=$fresh")
            val signing = ProcessBuilder("sh", "-c", signCommand).start()
            signing.inputStream.bufferedReader().readText().trim().also { check(signing.waitFor() == 0) }
        },
        load = { if (file.exists()) file.readText() else null },
        store = {
            File("$cursorFile.new").writeText(it)
            File("$cursorFile.new").renameTo(file) // atomic, in case the program is killed
            say("stored")
        },
        handle = { event, data ->
            if (event == "notification") {
                val title = data.getString("title")
                say("received $title")
                check(title != "fails always")
                if (title == "fails once" && !File("$cursorFile.failed").exists()) {
                    File("$cursorFile.failed").createNewFile()
                    throw IllegalStateException(title)
                }
            } else {
                say(event)
            }
        },
        onClosed = { say("closed $it") },
    )
    bell.open()
    generateSequence(::readlnOrNull).forEach { _ -> }
    bell.close()
    exitProcess(0)
}
