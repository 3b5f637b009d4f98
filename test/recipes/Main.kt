// Runs the Kotlin recipe: prints what it receives, a line each, until its input
// ends. The cursor is kept in a file.
//
// Debian has OkHttp 3, in which a response's code is a method; the recipe is
// for 4 and 5, in which it is a property.

import java.io.File
import kotlin.system.exitProcess
import okhttp3.Response

val Response.code: Int get() = code()

fun main(args: Array<String>) {
    val (url, kept, sign) = args
    val file = File(kept)
    val say = { line: String -> synchronized(file) { println(line); System.out.flush() } }
    val bell = Bellhop(
        url,
        token = { fresh ->
            say("token fresh=$fresh")
            val signing = ProcessBuilder("sh", "-c", sign).start()
            signing.inputStream.bufferedReader().readText().trim().also { check(signing.waitFor() == 0) }
        },
        load = { if (file.exists()) file.readText() else null },
        store = {
            File("$kept.new").writeText(it)
            File("$kept.new").renameTo(file) // whole, whenever this program ends
            say("stored")
        },
        handle = { event, data ->
            if (event == "notification") {
                val title = data.getString("title")
                say("heard $title")
                check(title != "fails always")
                if (title == "fails once" && !File("$kept.failed").exists()) {
                    File("$kept.failed").createNewFile()
                    throw IllegalStateException(title)
                }
            } else {
                say(event)
            }
        },
        away = { say("away $it") },
    )
    bell.open()
    generateSequence(::readlnOrNull).forEach { _ -> }
    bell.close()
    exitProcess(0)
}
